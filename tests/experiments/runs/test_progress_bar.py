import io
from collections import Counter

import pytest
from rich.console import Console

from experiments.lookup import problem_class, recipe_type
from experiments.runs.dry_run import Speed, estimate
from experiments.runs.grid import grid
from experiments.runs.monitoring.progress_bar import Work, clock
from experiments.runs.run_folder import RunFolder
from experiments.runs.runner import units_left

Recipe = recipe_type(problem_class("maskrcnn"))


@pytest.fixture
def time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("experiments.runs.monitoring.progress_bar.time.monotonic", lambda: now[0])
    return now


def work(units, guesses=None, **more):
    return Work(units, guesses, Console(file=io.StringIO(), width=100), **more)


def test_the_time_left_comes_from_measured_units(time):
    found = work({"step": 10, "picture": 20}, {"picture": ("step", 0.5)})
    found.say("training")
    assert found.seconds_left() is None
    time[0] = 60  # the first unit compiles and does not count
    found.did("step")
    for _ in range(4):
        time[0] += 2
        found.did("step")
    assert found.seconds_left() == pytest.approx(5 * 2 + 20 * 1)
    found.skip("step", 5)
    assert found.seconds_left() == pytest.approx(20)
    assert "training" in found._console.file.getvalue()
    assert (clock(7), clock(750), clock(3723)) == ("0:07", "12:30", "1:02:03")


def test_work_that_is_left_follows_from_finished_stages(tmp_path):
    recipe = Recipe.model_validate({
        "training": {"steps": 50}, "finetune": {"steps": 7},
        "grid": {"criterion": "l1", "ratio": 0.5, "retraining": ["finetune", "scratch", "none"]},
    })  # fmt: skip
    dense, control, tuned, scratch, none = grid(recipe)
    folder = RunFolder(tmp_path)

    def left(run):
        found = units_left(run, folder, 10)
        return found["step"], found["picture"]

    assert [left(run) for run in (dense, control, tuned, scratch, none)] == [
        (50, 10), (7, 10), (7, 40), (50, 10), (0, 20),
    ]  # fmt: skip
    for stage in ("pruned", "recalibrated", "finetuned"):
        folder.write(stage, {})
    assert left(tuned) == (0, 10) and left(none) == (0, 0)
    folder.model.write_text("")
    assert left(dense) == (0, 10) and left(scratch) == (0, 10)


def test_the_estimate_counts_every_network_that_is_compiled():
    recipe = Recipe.model_validate({
        "seeds": [0, 1], "grid": {"criterion": "l1", "ratio": [0.2, 0.4], "retraining": ["finetune", "scratch"]},
    })  # fmt: skip
    runs = grid(recipe)
    one_each = Counter(step=100, picture=1000)
    assert estimate(runs, one_each, Speed(2.0, 0.5, 0, 0)) == 700
    assert estimate(runs, one_each, Speed(0, 0, 1, 0)) == 2 + 4  # a dense network a seed, four from scratch
    assert estimate(runs, one_each, Speed(0, 0, 0, 1)) == 2 + 2 * 8  # and eight smaller ones, measured and timed
    assert estimate([], Counter(), Speed(1, 1, 1, 1)) == 0
