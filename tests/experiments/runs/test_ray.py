"""Sweeps on a Ray cluster: of two machines, both of which are this one."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from fake_runs import JOBS, NAMES, files, order_in, run, told

from experiments.errors import UserError
from experiments.runs.executors import Job, OneProcess, RayCluster
from experiments.runs.executors.carried_files import Carrier
from experiments.runs.run_folder import RunFolder


@pytest.fixture(scope="module")
def ray():
    """The package, connected to a cluster of two nodes."""
    pytest.importorskip("ray", exc_type=ImportError)
    here, root = Path(__file__).parent, Path(__file__).parents[3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(root)]))  # as if installed on each node
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        cluster.add_node(**node)
        try:
            ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
            yield ray
        finally:
            ray.shutdown()
            cluster.shutdown()


@pytest.mark.parametrize("shared", [True, False])
def test_the_same_files_as_in_one_process(tmp_path, ray, shared):
    here, there = order_in(tmp_path / "here"), order_in(tmp_path / "there")
    for order in (here, there):  # an interrupted run goes on
        RunFolder(order.folder / "runs" / "a-1").path.mkdir()
        RunFolder(order.folder / "runs" / "a-1").checkpoint.write_text("step 7")
    run(OneProcess(), here)
    work, ended = run(RayCluster(shared=shared), there)
    assert sorted(ended) == sorted(NAMES) and work.notes == []
    assert files(there) == files(here)
    assert b'"resumed": "step 7"' in files(there)["a-1/removed.json"]
    assert work.counts == {"step": 18}
    seen = told(there)
    assert {one["folder"] == str(there.folder) for one in seen.values()} == {shared}
    assert {(one["threads"], one["OMP_NUM_THREADS"]) for one in seen.values()} == {(1, "1")}
    assert len({(one["pid"], one["runner"]) for one in seen.values()}) == len({one["pid"] for one in seen.values()})
    assert [path.name for path in there.folder.iterdir()].count("recipe.yaml") == 1
    assert not list(there.folder.glob("part-*"))
    run(RayCluster(shared=shared), there)  # all is finished
    assert told(there).keys() == seen.keys()


@pytest.mark.parametrize("shared", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_worker_that_dies_costs_only_a_retry_and_a_failing_run_is_recorded(tmp_path, ray, shared):
    order = order_in(tmp_path, a_0="die_once", dense_1="fail")
    failed_before = RunFolder(order.folder / "runs" / "b-0")
    failed_before.path.mkdir()
    failed_before.write_error(ValueError("in the last sweep"))
    work, ended = run(RayCluster(shared=shared), order)
    assert sorted(ended) == sorted(NAMES)
    assert sorted(work.notes) == ["a worker ended; a-0 is tried again", "dense-1 failed"]
    assert {path.parent.name for path in order.folder.glob("runs/*/removed.json")} == {"dense-0", "a-0", "b-0"}
    assert {path.parent.name for path in order.folder.glob("runs/*/error.txt")} == {"dense-1"}
    run(RayCluster(shared=shared), order, [Job("dense-2", 2)])
    assert not list(Path(tempfile.gettempdir()).glob(f"taskprune-ray-copy-{order.began:.6f}-*"))  # the killed worker's


@pytest.mark.slow
def test_a_run_that_kills_its_workers_is_given_up_with_those_that_need_it(tmp_path, ray):
    order = order_in(tmp_path, dense_0="die")
    work, ended = run(RayCluster(retries=1), order, JOBS[:3])
    assert ended == NAMES[:3] and len(told(order)) == 2
    assert work.notes[-1].startswith("a worker ended again; dense-0, and 2 runs that need it, is left out")


def test_an_error_that_stops_all_is_raised_here_and_ends_the_other_tasks(tmp_path, ray):
    order = order_in(tmp_path, dense_0="user_error", dense_1="sleep")
    began = time.monotonic()
    with pytest.raises(UserError, match="^the disk is full$"):
        run(RayCluster(shared=False), order)
    run(RayCluster(), order, [Job("dense-2", 2), Job("dense-3", 3)])  # which needs both nodes
    assert time.monotonic() - began < 30


def test_nodes_are_asked_whether_they_see_the_folder(tmp_path, ray, monkeypatch):
    order = order_in(tmp_path / "seen")
    run(RayCluster(), order, JOBS[:1])
    assert told(order)["dense-0", 0]["folder"] == str(order.folder)
    monkeypatch.setattr("experiments.runs.executors.ray_connection.sees_marker", lambda path: False)
    order = order_in(tmp_path / "hidden")
    run(RayCluster(), order, JOBS[:1])
    assert told(order)["dense-0", 0]["folder"] != str(order.folder)
    assert "dense-0/model.keras" in files(order)


def test_a_run_that_another_process_holds_is_not_sent(tmp_path):
    order, job = order_in(tmp_path), JOBS[0]
    carrier = Carrier(order.folder, Path(order.recipe))
    with RunFolder(order.folder / "runs" / job.name).lock() as mine:
        assert mine and not carrier.lock(job)
    assert carrier.lock(job)
    carrier.release(job)
    assert carrier.lock(job)


def test_a_dense_model_of_another_sweep_travels_along(tmp_path):
    order, source = order_in(tmp_path), tmp_path / "source" / "runs" / "dense-0"
    source.mkdir(parents=True)
    (source / "model.keras").write_text("weights")
    (source / "dense.json").write_text("{}")
    Path(order.recipe).write_text(f"dense_from: {tmp_path / 'source'}\n")
    carrier = Carrier(order.folder, Path(order.recipe))
    assert carrier.lock(JOBS[0])
    assert carrier.own(JOBS[0]) == {"runs/dense-0/model.keras": b"weights"}


def test_without_ray_the_user_is_told_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'taskprune\[ray\]'"):
        run(RayCluster(), order_in(tmp_path))


def test_an_address_where_no_cluster_is_gets_a_quick_answer(tmp_path, monkeypatch):
    package = pytest.importorskip("ray", exc_type=ImportError)
    monkeypatch.setattr(package, "is_initialized", lambda: False)
    with pytest.raises(UserError, match="no Ray cluster at 127.0.0.1:9: .*refused"):
        run(RayCluster("127.0.0.1:9"), order_in(tmp_path))


SCRIPT = """
import sys
from pathlib import Path
from fake_runs import JOBS, order_in, run
from experiments.runs.executors import RayCluster
if __name__ == "__main__":
    print(*run(RayCluster(), order_in(Path(sys.argv[1]), threads=2))[1])
"""


@pytest.mark.slow
def test_a_fresh_cluster_on_this_machine(tmp_path):
    pytest.importorskip("ray", exc_type=ImportError)
    (tmp_path / "driver.py").write_text(SCRIPT)
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[3])])
    variables = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"PYTHONPATH": paths}
    command = [sys.executable, str(tmp_path / "driver.py"), str(tmp_path)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)
    assert sorted(done.stdout.split()) == sorted(NAMES) and done.returncode == 0, done.stderr
