"""What a sweep asks of an executor: jobs, an order that makes a Runner in any process, and the executor itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from experiments.runs.monitoring.progress_bar import Meter

if TYPE_CHECKING:  # the Runner imports TensorFlow, which an executor's own process may not need
    from experiments.runs.runner import Runner


@dataclass(frozen=True)
class Job:
    """One run to be done.

    Attributes:
        name: of the run.
        network: which model of which seed; a process that has worked on it does the next run of it without compiling
            again.
        needs: name of the dense run that it starts from; None for a dense run.
    """

    name: str
    network: str
    needs: str | None = None


@dataclass(frozen=True)
class Order:
    """All that a process needs to make its Runner. It is sent to other processes, so it holds plain values.

    Attributes:
        recipe: path of the recipe that lies in the sweep's folder.
        log: where runs are followed: "none" or "tensorboard".
        threads: of the process; 0: all cores.
        began: when the sweep began, in seconds of the epoch. A failure after that is of this sweep, whichever process
            met it, and is not tried again.
    """

    recipe: str
    log: str = "none"
    threads: int = 0
    began: float = field(default_factory=time.time)

    @property
    def folder(self) -> Path:
        """The sweep's folder. It follows from the recipe's place, so a copy elsewhere is worked on there."""
        return Path(self.recipe).parent

    def runner(self, meter: Meter) -> Runner:
        """A Runner that reports to `meter`."""
        from experiments.runs.runner import runner_of

        return runner_of(self, meter)


class Executor(Protocol):
    """Decides where runs are done: here, in several processes, or on a cluster."""

    def execute(self, jobs: list[Job], order: Order, work: Meter, ended: Callable[[str], None]) -> None:
        """Do all jobs.

        Args:
            jobs: in the order of the grid. A run that a job needs, but that is not among them, is finished.
            order: makes the Runner.
            work: shows what is being done.
            ended: called with a run's name when it is over, whatever became of it.

        Raises:
            UserError: nothing can go on: the disk is full, the data is missing.
        """


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_each(count: int, threads: int) -> int:
    """Threads of each of `count` workers that have `threads` together; 0: one for every core."""
    return max(1, (threads or cores()) // count)


def thread_settings(threads: int) -> dict[str, str]:
    """Environment that gives a process so many threads; read when TensorFlow is imported."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return {name: str(threads) for name in names}
