import io
import json
from collections import Counter

import pytest
from rich.console import Console

import workers
from dryrun import Speed, estimate
from grid import grid
from progress import Work, clock
from runner import units_left
from settings import Recipe
from store import RunFolder


@pytest.fixture
def time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("progress.time.monotonic", lambda: now[0])
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


def test_a_workers_events_are_shown_by_its_parent(time, capsys):
    pipe = workers.Pipe()
    pipe.say("training")
    pipe.did("step")
    for _ in range(4):
        time[0] += 3
        pipe.did("step", 1, "5/10")
    pipe.note("going on")
    pipe.skip("picture", 5)
    pipe.ran()
    lines = capsys.readouterr().out.splitlines()
    assert all("event" in json.loads(line) for line in lines)
    parent, runs = work({"step": 10, "picture": 5}, parallel=2), []
    for line in [*lines, "a library's own words"]:
        workers._take(line, parent, lambda: runs.append(1))
    assert parent.left == {"step": 5, "picture": 0}
    assert parent.seconds_left() == pytest.approx(5 * 3 / 2)
    shown = parent._console.file.getvalue()
    assert "going on" in shown and "a library's own words" in shown
    assert runs == [1]


def test_a_worker_ends_when_its_parent_is_gone(monkeypatch):
    def broken(*args, **kwargs):
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", broken)
    monkeypatch.setattr(workers.sys, "stdout", None)
    with pytest.raises(SystemExit):
        workers.Pipe().note("x")


def test_workers_share_the_threads():
    assert workers.threads_each(2, 8) == 4
    assert workers.threads_each(3, 2) == 1
    assert workers.threads_each(1, 0) >= 1


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
