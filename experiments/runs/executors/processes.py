"""The runs of a sweep in several processes of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection, wait

from experiments.errors import UserError
from experiments.runs.executors.job_queue import JobQueue
from experiments.runs.executors.jobs import Job, Order, thread_settings, threads_each
from experiments.runs.executors.local_worker import LocalWorker, gpu_settings, visible_gpus
from experiments.runs.monitoring.progress_bar import Meter

_POLL_SECONDS = 0.1


class Processes:
    """Several local processes, each with its share of the threads and, where there are GPUs, one of these.

    A process that dies takes only its run with it, and that is done again.

    Args:
        count: of processes.
        retries: how often a run whose process died is tried again.
    """

    def __init__(self, count: int, retries: int = 2) -> None:
        self.count, self._retries = count, retries

    def execute(self, jobs: list[Job], order: Order, work: Meter, ended: Callable[[str], None]) -> None:
        """See `Executor.execute`."""
        each, gpus = threads_each(self.count, order.threads), visible_gpus()
        order = replace(order, threads=each)
        workers = [
            LocalWorker(order, {**thread_settings(each), **gpu_settings(number, self.count, gpus)})
            for number in range(min(self.count, len(jobs)))
        ]
        queue = JobQueue(jobs, dense_first=True, retries=self._retries)
        try:
            while not queue.over:
                _give_jobs(workers, queue, work)
                _wait(workers)
                for worker in workers:
                    for name in _look_at(worker, queue, work):
                        ended(name)
        finally:  # also of Ctrl-C
            for worker in workers:
                worker.stop()


def _give_jobs(workers: list[LocalWorker], queue: JobQueue, work: Meter) -> None:
    for worker in workers:
        if worker.job is None:
            job = queue.take(worker.network)
            if job is not None:
                worker.start(job)
    if all(worker.job is None for worker in workers):
        work.say("waiting for another process")


def _wait(workers: list[LocalWorker]) -> None:
    """Until a worker reports something, or a moment has passed."""
    events: list[Connection] = [worker.events for worker in workers if worker.events is not None]
    if events:
        wait(events, _POLL_SECONDS)
    else:
        time.sleep(_POLL_SECONDS)


def _look_at(worker: LocalWorker, queue: JobQueue, work: Meter) -> list[str]:
    """Show what a worker reports, and take its job from it if that has ended.

    Returns:
        names of the runs that are over now.

    Raises:
        UserError, or any other: what the worker raised.
    """
    job, finished = worker.job, worker.finished
    worker.show_events(work)  # after that look: all that was reported before the end is shown before it
    if job is None or not finished:
        return []
    state, error = worker.outcome()
    if error is not None:
        raise error
    if state == "died":
        over = give_again(job, queue, work)
        if over and not worker.ready:
            raise UserError("worker processes end before they begin; what they say is above. Try --workers 1")
        return over
    if state == "done":
        worker.network = job.network
    return queue.ended(job, state)


def give_again(job: Job, queue: JobQueue, work: Meter) -> list[str]:
    """Put back the job of a worker that died, and say so.

    Returns:
        names of the runs that are over now, because that happened too often.
    """
    over = queue.crashed(job)
    if not over:
        work.note(f"a worker ended; {job.name} is tried again")
        return over
    needing = f", and {len(over) - 1} runs that need it," if len(over) > 1 else ""
    work.note(f"a worker ended again; {job.name}{needing} is left out; the same command tries it once more")
    return over
