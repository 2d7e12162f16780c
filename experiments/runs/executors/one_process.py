"""The runs of a sweep, one after another, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from experiments.runs.executors.job_queue import JobQueue
from experiments.runs.executors.jobs import Job, Order
from experiments.runs.monitoring.progress_bar import Meter

if TYPE_CHECKING:
    from experiments.runs.runner import Runner


class OneProcess:
    """Does all runs here. Runs that another process holds are looked at again later.

    Attributes:
        runner: what did the last jobs.
    """

    runner: Runner | None = None

    def execute(self, jobs: list[Job], order: Order, work: Meter, ended: Callable[[str], None]) -> None:
        """See `Executor.execute`."""
        runner = self.runner = order.runner(work)
        queue = JobQueue(jobs)
        network = None
        while not queue.over:
            job = queue.take(network)
            if job is None:
                work.say("waiting for another process")
                time.sleep(queue.pause())
                continue
            state = runner.attempt(job.name)
            if state == "done":
                network = job.network
            for name in queue.ended(job, state):
                ended(name)
