"""Which run comes next."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from experiments.runs.executors.jobs import Job


class JobQueue:
    """The jobs of a sweep, given to workers one at a time.

    A job is ready when the run that it needs has ended. Of those ready, a worker gets: a dense run, if these go first;
    else one of the network that it holds; else one that the fewest workers are at; else the first of the grid.

    Args:
        jobs: in the order of the grid.
        dense_first: whether all dense runs start before others, so that several workers have work.
        retries: how often a run whose worker died is given again.
        pause: seconds before a run that could not be done is tried again.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        jobs: list[Job],
        dense_first: bool = False,
        retries: int = 2,
        pause: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = {job.name: job for job in jobs}
        self._order = {name: number for number, name in enumerate(self._waiting)}
        self._running: dict[str, Job] = {}
        self._not_before: dict[str, float] = {}
        self._crashes: Counter[str] = Counter()
        self._dense_first, self._retries, self._pause, self._clock = dense_first, retries, pause, clock

    @property
    def over(self) -> bool:
        """Whether every job has ended."""
        return not self._waiting and not self._running

    def take(self, network_held: str | None = None) -> Job | None:
        """The next job of a worker; None if none is ready.

        Args:
            network_held: what the worker has in memory.
        """
        now = self._clock()
        ready = [
            job
            for job in self._waiting.values()
            if job.needs not in self._waiting
            and job.needs not in self._running
            and self._not_before.get(job.name, now) <= now
        ]
        if not ready:
            return None
        workers = Counter(job.network for job in self._running.values())

        def rank(job: Job) -> tuple:
            last = self._dense_first and job.needs is not None
            return last, job.network != network_held, workers[job.network], self._order[job.name]

        chosen = min(ready, key=rank)
        self._running[chosen.name] = self._waiting.pop(chosen.name)
        return chosen

    def pause(self) -> float:
        """Seconds until a job that was put back may be taken; the usual pause if none was."""
        times = [self._not_before[name] for name in self._waiting if name in self._not_before]
        return max(0.0, min(times) - self._clock()) if times else self._pause

    def ended(self, job: Job, state: str) -> list[str]:
        """Take note of what `Runner.attempt` said about a job.

        Args:
            state: "done", "gone" or "later"; the last puts the job back.

        Returns:
            names of the jobs that are over now.
        """
        del self._running[job.name]
        if state == "later":
            self._put_back(job)
            return []
        return [job.name]

    def crashed(self, job: Job) -> list[str]:
        """Take note that a job's worker died: the job is put back, or given up if that happened too often.

        Returns:
            names of the jobs that are over now: none, or the job and all that need it.
        """
        del self._running[job.name]
        self._crashes[job.name] += 1
        if self._crashes[job.name] <= self._retries:
            self._put_back(job)
            return []
        needing = [other.name for other in self._waiting.values() if other.needs == job.name]
        for name in needing:
            del self._waiting[name]
        return [job.name, *needing]

    def _put_back(self, job: Job) -> None:
        self._waiting[job.name] = job
        self._not_before[job.name] = self._clock() + self._pause
