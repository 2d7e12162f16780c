"""Where the runs of a sweep are done: in this process, in several, or on a Ray cluster."""

from __future__ import annotations

from experiments.errors import UserError
from experiments.runs.executors.jobs import Executor, Job, Order, threads_each
from experiments.runs.executors.one_process import OneProcess
from experiments.runs.executors.processes import Processes
from experiments.runs.executors.ray_cluster import RayCluster

__all__ = ["Executor", "Job", "OneProcess", "Order", "Processes", "RayCluster", "executor", "threads_each"]


def executor(
    name: str,
    workers: int = 1,
    address: str | None = None,
    cpus: float = 1,
    gpus: float = 0,
    retries: int = 2,
    shared: bool | None = None,
) -> Executor:
    """The executor that a user asks for.

    Args:
        name: "auto": this process, or `workers` local ones; "ray": a cluster, for which the other arguments are.
        workers: local processes.
        address, cpus, gpus, shared: see `RayCluster`.
        retries: how often a run whose worker died is tried again.

    Raises:
        UserError: there is no such executor.
    """
    if name == "auto":
        return OneProcess() if workers == 1 else Processes(workers, retries)
    if name == "ray":
        return RayCluster(address, cpus, gpus, retries, shared)
    raise UserError(f"executor {name!r}: expected auto or ray")
