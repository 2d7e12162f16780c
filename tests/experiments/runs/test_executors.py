"""Executors: which run comes next, and several processes that die, fail, talk and are stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_runs
import pytest
from fake_runs import JOBS, NAMES, Listener, files, order_in, run, told
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import UserError
from experiments.runs.executors import Job, OneProcess, Processes, RayCluster, executor, threads_each
from experiments.runs.executors.job_queue import JobQueue
from experiments.runs.executors.local_worker import gpu_settings, visible_gpus
from experiments.runs.run_folder import RunFolder

# Which run comes next


def taken(queue, seed=None):
    job = queue.take(seed)
    return job and job.name


def test_one_worker_does_a_seed_after_the_other():
    queue, names, seed = JobQueue(JOBS), [], None
    while (job := queue.take(seed)) is not None:
        names.append(job.name)
        seed = job.network
        assert queue.ended(job, "done") == [job.name]
    assert names == NAMES and queue.over


def test_several_workers_train_dense_models_first_and_then_stay_with_their_seeds():
    queue = JobQueue(JOBS, dense_first=True)
    first, second = queue.take(), queue.take()
    assert (first.name, second.name) == ("dense-0", "dense-1")
    assert queue.take() is None and not queue.over  # nothing is ready
    queue.ended(second, "done")
    assert taken(queue, 1) == "a-1"
    queue.ended(first, "done")
    assert taken(queue, 0) == "a-0"
    assert taken(queue, 1) == "b-1"
    assert taken(queue, 1) == "b-0"  # another seed's run rather than none
    assert taken(queue) is None


def test_a_worker_without_a_seed_takes_one_that_no_other_is_at():
    queue = JobQueue([Job("a-0", 0, "x"), Job("b-0", 0, "x"), Job("a-1", 1, "y")], dense_first=True)
    assert [taken(queue), taken(queue), taken(queue)] == ["a-0", "a-1", "b-0"]


def test_a_run_that_another_process_holds_is_tried_again_after_a_pause():
    now = [0.0]
    queue = JobQueue(JOBS[:2], pause=5.0, clock=lambda: now[0])
    dense = queue.take()
    assert queue.ended(dense, "later") == []
    now[0] = 3.0
    assert queue.take() is None and queue.pause() == 2.0 and not queue.over
    now[0] = 5.0
    assert queue.take() == dense
    assert queue.ended(dense, "gone") == ["dense-0"]  # done by the other process, so the next can begin
    assert taken(queue) == "a-0"


def test_a_dense_run_that_is_given_up_takes_with_it_those_that_need_it():
    queue = JobQueue(JOBS, retries=1, pause=0.0)
    assert queue.crashed(queue.take()) == []
    dense = queue.take()
    assert dense.name == "dense-0"
    assert queue.crashed(dense) == ["dense-0", "a-0", "b-0"]
    assert taken(queue) == "dense-1"


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12),
    st.integers(1, 4),
    st.lists(st.sampled_from(["done", "gone", "later", "crashed"]), max_size=40),
    st.booleans(),
)
def test_every_job_ends_once_and_after_what_it_needs(drawn, workers, states, dense_first):
    jobs = {f"dense-{seed}": Job(f"dense-{seed}", seed) for seed, _ in drawn}
    for number, (seed, listed) in enumerate(drawn):
        jobs[f"run-{number}"] = Job(f"run-{number}", seed, f"dense-{seed}" if listed else "finished-before")
    queue = JobQueue(list(jobs.values()), dense_first, retries=1, pause=0.0)
    seeds, over, waiting = [None] * workers, [], set(jobs)
    held: dict[int, Job] = {}
    while not queue.over:
        for worker in set(range(workers)) - held.keys():
            job = queue.take(seeds[worker])
            if job is None:
                break
            waiting.discard(job.name)
            assert job.needs not in jobs or job.needs in over
            assert not (dense_first and job.needs and any(name.startswith("dense") for name in waiting))
            held[worker] = job
        worker, job = held.popitem()
        state = states.pop() if states else "done"
        ended = queue.crashed(job) if state == "crashed" else queue.ended(job, state)
        over += ended
        if not ended:
            waiting.add(job.name)
        waiting -= set(ended)
        seeds[worker] = job.network
    assert sorted(over) == sorted(jobs)


# In one process, in several


def test_the_executor_by_name():
    assert isinstance(executor("auto"), OneProcess)
    assert executor("auto", workers=3).count == 3
    assert isinstance(executor("ray", address="head:6379"), RayCluster)
    with pytest.raises(UserError, match="expected auto or ray"):
        executor("slurm")


def test_one_process_waits_for_a_run_that_another_holds(tmp_path):
    order, work, ended = order_in(tmp_path), Listener(), []
    one = OneProcess()
    lock = RunFolder(order.folder / "runs" / "a-0").lock()
    lock.__enter__()
    work.say = lambda text: text == "waiting for another process" and lock.__exit__(None, None, None)
    one.execute(JOBS, order, work, ended.append)
    assert ended == ["dense-0", "b-0", "dense-1", "a-1", "b-1", "a-0"]
    assert one.runner.order is order


def test_several_processes_make_the_same_files_as_one(tmp_path):
    one, several = order_in(tmp_path / "one", b_1="fail"), order_in(tmp_path / "several", threads=5, b_1="fail")
    run(OneProcess(), one)
    work, ended = run(Processes(2), several)
    assert sorted(ended) == sorted(NAMES)
    assert files(several).keys() == files(one).keys()
    assert "b-1/error.txt" in files(one) and "b-1/removed.json" not in files(one)
    assert {name: text for name, text in files(several).items() if not name.endswith("error.txt")} == {
        name: text for name, text in files(one).items() if not name.endswith("error.txt")
    }
    assert work.notes == ["b-1 failed"] and work.counts == {"step": 18}
    seen = told(several).values()
    assert {one["pid"] for one in seen}.isdisjoint({os.getpid()}) and len({one["pid"] for one in seen}) == 2
    assert {(one["threads"], one["OMP_NUM_THREADS"], one["TF_NUM_INTRAOP_THREADS"]) for one in seen} == {(2, "2", "2")}
    assert os.environ.get("OMP_NUM_THREADS") != "2"


def test_a_worker_that_dies_costs_only_a_retry(tmp_path):
    order = order_in(tmp_path, dense_0="die_once", a_1="die_once")
    work, ended = run(Processes(2), order)
    assert sorted(ended) == sorted(NAMES)
    assert sorted(work.notes) == [f"a worker ended; {name} is tried again" for name in ("a-1", "dense-0")]
    assert len([name for name in files(order) if name.endswith("removed.json")]) == 6


def test_a_run_that_kills_its_workers_is_given_up_with_those_that_need_it(tmp_path):
    order = order_in(tmp_path, dense_0="die")
    work, ended = run(Processes(2), order)
    assert sorted(ended) == sorted(NAMES)
    assert len([key for key in told(order) if key[0] == "dense-0"]) == 3
    assert "dense-0, and 2 runs that need it, is left out" in work.notes[-1]
    assert {path.parent.name for path in order.folder.glob("runs/*/removed.json")} == {"dense-1", "a-1", "b-1"}


def test_runs_whose_dense_run_failed_are_over(tmp_path):
    order = order_in(tmp_path, dense_0="fail")
    work, ended = run(Processes(2), order)
    assert sorted(ended) == sorted(NAMES) and work.notes == ["dense-0 failed"]


def test_an_error_that_stops_all_is_raised_here(tmp_path):
    with pytest.raises(UserError, match="^the disk is full$"):
        run(Processes(2), order_in(tmp_path / "user", dense_0="user_error", dense_1="sleep"))
    with pytest.raises(RuntimeError, match="TwoPartError: a bug"):
        run(Processes(1), order_in(tmp_path / "bug", dense_0="bug"))


def test_workers_that_cannot_begin_are_a_user_error(tmp_path, monkeypatch):
    monkeypatch.setattr(fake_runs.FakeOrder, "__reduce__", lambda _: (os._exit, (3,)), raising=False)
    with pytest.raises(UserError, match="end before they begin"):
        run(Processes(1, retries=0), order_in(tmp_path), JOBS[:1])


def test_what_workers_print_does_not_reach_the_terminal(tmp_path, capfd):
    work, _ = run(Processes(1), order_in(tmp_path, dense_0="print"), JOBS[:1])
    assert capfd.readouterr().out == ""
    assert work.notes == ["a library speaks"]


def test_every_process_has_its_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5")
    order = order_in(tmp_path)
    run(Processes(2), order)
    seen = {(one["pid"], one["CUDA_VISIBLE_DEVICES"], one["TF_FORCE_GPU_ALLOW_GROWTH"]) for one in told(order).values()}
    assert sorted(gpu for _, gpu, _ in seen) == ["3", "GPU-5"] and {growth for *_, growth in seen} == {None}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3, GPU-5"


def test_gpus_are_found_and_shared(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: H100 (UUID: x)'\necho '  MIG 1g'\necho 'GPU 1: H100 (UUID: y)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert visible_gpus() == ["0", "1"]
    assert gpu_settings(2, 3, ["0", "1"]) == {"CUDA_VISIBLE_DEVICES": "0", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    assert gpu_settings(0, 3, []) == {}


def test_threads_are_shared():
    assert (threads_each(2, 5), threads_each(4, 2)) == (2, 1)


SCRIPT = """
import sys
from pathlib import Path
from fake_runs import JOBS, Listener, order_in
from experiments.runs.executors import Processes
import signal
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    order = order_in(Path(sys.argv[1]), dense_0="sleep", dense_1="sleep")
    Processes(2).execute(JOBS, order, Listener(), print)
"""


def alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(what, seconds=120.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path, sign):
    (tmp_path / "parent.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path)]
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[3])])
    parent = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, stderr=subprocess.PIPE, text=True)
    diary = order_in(tmp_path)
    until(lambda: len(told(diary)) == 2)
    pids = [one["pid"] for one in told(diary).values()]
    assert all(alive(pid) for pid in pids)
    parent.send_signal(sign)
    assert parent.wait(120) == -sign
    until(lambda: not any(alive(pid) for pid in pids), 120)
    assert parent.stderr.read().count("Traceback") == (sign == signal.SIGINT)
