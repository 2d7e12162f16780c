"""Whole sweeps as processes: killed at any moment, beside one another, and in several workers."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml

from experiments.runs.sweep_folder import recipe_fields
from experiments.table.columns import STAGES, VARYING

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recipe(tiny):
    made = tiny(
        seeds=[0, 1],
        threads=1,  # the same number everywhere: so are the figures, to the last bit
        training={"steps": 4, "checkpoint_every": 1},
        finetune={"steps": 3},
        grid={"criterion": "l1", "ratio": 0.5, "schedule": ["one_shot", "polynomial_decay"]},
        evaluation={"latency_rounds": 0},
    )
    return made.model_dump(mode="json", include=recipe_fields(made))


def start(folder, recipe, *flags):
    """A sweep as a process of its own, which can be killed with all that it started."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe | {"results": str(folder)}))
    script = os.path.join(os.path.dirname(__file__), "..", "..", "..", "scripts", "sweep.py")
    with open(folder / "output.txt", "a") as output:
        return subprocess.Popen(
            [sys.executable, script, str(path), *flags], stdout=output, stderr=output, start_new_session=True
        )


def table(folder):
    """The table, without what differs from one time to the next."""
    found = pd.read_csv(folder / "tiny" / "runs.csv")
    return found[[name for name in found if name not in VARYING]]


def stage_files(folder):
    """Every finished stage -> its file's time and content."""
    paths = [path for path in (folder / "tiny").glob("runs/*/*.json") if path.stem in STAGES]
    return {path: (path.stat().st_mtime_ns, path.read_text()) for path in paths}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, recipe):
    folder = tmp_path_factory.mktemp("unbroken")
    assert start(folder, recipe).wait(900) == 0, (folder / "output.txt").read_text()
    return table(folder)


def test_workers_make_the_table_of_one_process(unbroken, recipe, tmp_path):
    assert start(tmp_path, recipe, "--workers", "2").wait(900) == 0, (tmp_path / "output.txt").read_text()
    pd.testing.assert_frame_equal(table(tmp_path), unbroken, check_exact=True)


def test_two_processes_in_one_folder_share_the_work(unbroken, recipe, tmp_path):
    both = [start(tmp_path, recipe), start(tmp_path, recipe)]
    assert [process.wait(900) for process in both] == [0, 0], (tmp_path / "output.txt").read_text()
    pd.testing.assert_frame_equal(table(tmp_path), unbroken, check_exact=True)
    records = [json.loads(path.read_text()) for path in (tmp_path / "tiny").glob("runs/*/record.json")]
    assert [record["starts"] for record in records] == [1] * len(records)


def test_a_sweep_that_is_killed_again_and_again_ends_as_an_unbroken_one(unbroken, recipe, tmp_path):
    draw, seen, lives = random.Random(0), {}, 0
    while True:
        lives += 1
        assert lives < 60
        process = start(tmp_path, recipe, "--workers", draw.choice("12"))
        if not killed_soon(process, tmp_path, draw):
            break
        now = stage_files(tmp_path)
        assert {path: now[path] for path in seen} == seen  # nothing lost, nothing done twice
        for text in now.values():
            json.loads(text[1])
        seen = now
    assert process.returncode == 0, (tmp_path / "output.txt").read_text()
    assert lives > 4
    pd.testing.assert_frame_equal(table(tmp_path), unbroken, check_exact=True)
    left = {path.name for path in (tmp_path / "tiny").glob("runs/*/*")}
    assert not [name for name in left if name.startswith(("part-", "checkpoint", "error"))]


def killed_soon(process, folder, draw):
    """Kill a sweep a moment after it has written some files; False if it ends by itself before that."""

    def written():
        found = set()
        for path in folder.glob("tiny/runs/*/*"):
            with contextlib.suppress(FileNotFoundError):  # renamed meanwhile
                found.add((path, path.stat().st_mtime_ns))
        return found

    before, wanted, until = written(), draw.randint(3, 12), time.monotonic() + 600
    while len(written() - before) < wanted:
        if process.poll() is not None:
            return False
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(draw.uniform(0, 2))
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # until its children are gone too
    return True
