"""A whole sweep on a Ray cluster of several nodes gives the table that one process gives."""

import pandas as pd
import pytest

from experiments.lookup import open_problem
from experiments.runs.executors import OneProcess, Processes, RayCluster
from experiments.runs.sweep import sweep
from experiments.settings.recipe_files import read_recipe
from experiments.table.columns import VARYING

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.add_node(num_cpus=1)
    ray.init(address=made.address, logging_level="error", log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


def table(executor, folder):
    changes = {
        "results": [str(folder)], "seeds": ["0", "1"], "threads": ["1"], "training": {"steps": ["40"]},
        "finetune": {"steps": ["10"]}, "grid": {"ratio": ["0.5"]}, "evaluation": {"latency_rounds": ["0"]},
    }  # fmt: skip
    outcome = sweep(open_problem(read_recipe("digits", [changes])), executor)
    assert not outcome.failures
    found = pd.read_csv(outcome.folder / "runs.csv")
    return found[[name for name in found if name not in VARYING]]


def test_every_executor_makes_the_same_table(cluster, tmp_path):
    expected = table(OneProcess(), tmp_path / "one")
    assert len(expected) == 2 * (2 + 1 + 2 * 3)
    executors = {
        "processes": Processes(2),
        "ray": RayCluster(cluster.address),
        "ray_copies": RayCluster(cluster.address, shared=False),
    }  # fmt: skip
    for name, executor in executors.items():
        pd.testing.assert_frame_equal(table(executor, tmp_path / name), expected, check_exact=True)
