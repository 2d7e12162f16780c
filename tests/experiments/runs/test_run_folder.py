import errno
import json
import multiprocessing
import os
import signal
import stat
import time

import numpy as np
import pytest

from experiments.runs import run_folder
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.run_folder import RunFolder, WriteError, write_text


def test_what_is_no_number_is_null(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write("dense", {"a": float("nan"), "b": np.float32(0.5), "c": np.arange(2), "d": float("inf"), "e": None})
    assert json.loads((tmp_path / "dense.json").read_text()) == {"a": None, "b": 0.5, "c": [0, 1], "d": None, "e": None}
    assert folder.finished("dense")
    assert not folder.finished("dense", "floor")


def test_two_processes_may_write_the_same_file(tmp_path, monkeypatch):
    path = tmp_path / "recipe.yaml"
    with run_folder.written_whole(path) as mine:
        mine.write_text("mine")
        monkeypatch.setattr(run_folder.os, "getpid", lambda: -1)
        with run_folder.written_whole(path) as other:
            other.write_text("other")
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


def full(self, *args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.write("pruned", {"a": 1})
    monkeypatch.setattr(run_folder.os, "fsync", full)
    with pytest.raises(WriteError, match=r"pruned.json cannot be written \(No space left on device\).*intact"):
        folder.write("pruned", {"a": 2})
    assert folder.read("pruned") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["pruned.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_said(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(WriteError, match="Permission denied"):
            write_text(tmp_path / "x", "x")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_a_place_that_is_no_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteError, match="Not a directory"):
        write_text(tmp_path / "file" / "x", "x")
    with pytest.raises(WriteError), RunFolder(tmp_path / "file" / "run").lock():
        pass


def _hold(path, held):
    with RunFolder(path).lock() as mine:
        held.send(mine)
        time.sleep(60)


def test_a_killed_process_lets_go_of_its_run(tmp_path):
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path / "run", there))
    process.start()
    assert here.poll(60) and here.recv() is True
    (tmp_path / "run" / "part-pruned.json").write_text("half a fi")
    with RunFolder(tmp_path / "run").lock() as mine:
        assert not mine
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with RunFolder(tmp_path / "run").lock() as mine:
        assert mine
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]
        with RunFolder(tmp_path / "run").lock() as again:
            assert not again


def test_errors_are_kept_and_cleared(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.error() is None
    try:
        raise ValueError("too narrow")
    except ValueError as error:
        folder.write_error(error)
    assert folder.error() == "ValueError: too narrow"
    assert "raise ValueError" in (tmp_path / "error.txt").read_text()
    assert folder.error(since=time.time() + 5) is None
    folder.clear_error()
    assert folder.error() is None


def test_every_second_counts_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("experiments.runs.monitoring.stopwatch.time.perf_counter", lambda: now[0])
    watch = Stopwatch()
    now[0] += 1
    with watch("train"):
        now[0] += 2
        with watch("overhead"):
            now[0] += 4
        now[0] += 8
    with watch("wait"):
        now[0] += 16
    assert watch.lap() == {
        "train_seconds": 10, "prune_seconds": 0, "evaluate_seconds": 0, "overhead_seconds": 5,
    }  # fmt: skip
    now[0] += 32
    assert watch.lap()["overhead_seconds"] == 32
