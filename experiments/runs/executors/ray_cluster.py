"""The runs of a sweep on a Ray cluster, or on the cores of this machine by Ray."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.runs.executors.carried_files import Carrier
from experiments.runs.executors.job_queue import JobQueue
from experiments.runs.executors.jobs import Job, Order, thread_settings
from experiments.runs.executors.processes import give_again
from experiments.runs.executors.ray_connection import all_see, connected, import_ray
from experiments.runs.executors.ray_task import Mailbox, attempt, attempt_copy
from experiments.runs.executors.reporting import show
from experiments.runs.monitoring.progress_bar import Meter

_POLL_SECONDS = 0.3
_MAILBOX_SECONDS = 60.0


class RayCluster:
    """Every run is a task of a Ray cluster, whose machines have taskprune installed.

    Where all machines see the sweep's folder, they work in it. Else each gets the files that its run needs, and sends
    back what it made; a run whose machine is lost begins again from what was sent.

    Args:
        address: of the cluster; None: that of $RAY_ADDRESS, or a fresh one on this machine.
        cpus: of a run; also its threads.
        gpus: of a run; may be a part of one.
        retries: how often a run whose worker died is tried again.
        shared: whether all machines see the sweep's folder; None: they are asked.
    """

    def __init__(
        self,
        address: str | None = None,
        cpus: float = 1,
        gpus: float = 0,
        retries: int = 2,
        shared: bool | None = None,
    ) -> None:
        self.address, self.shared = address, shared
        self._cpus, self._gpus, self._retries = cpus, gpus, retries

    def execute(self, jobs: list[Job], order: Order, work: Meter, ended: Callable[[str], None]) -> None:
        """See `Executor.execute`.

        Raises:
            UserError: also where there is no ray or no cluster.
        """
        ray = import_ray()
        order = replace(order, recipe=str(Path(order.recipe).resolve()))
        with connected(ray, self.address, order.threads):
            order = replace(order, threads=max(1, int(self._cpus)))
            shared = all_see(ray, order.folder) if self.shared is None else self.shared
            tasks = _Tasks(ray, order, None if shared else Carrier(order.folder, Path(order.recipe)), self._resources())
            if not tasks.places():
                work.note(
                    f"no machine of the cluster has room for a run ({self._cpus:g} CPUs, {self._gpus:g} GPUs) yet"
                )
            queue = JobQueue(jobs, dense_first=True, retries=self._retries)
            try:
                self._work_off(queue, tasks, work, ended)
            finally:
                tasks.stop()

    def _work_off(self, queue: JobQueue, tasks: _Tasks, work: Meter, ended: Callable[[str], None]) -> None:
        network = None  # of the worker that has become free last, which is likely to get the next task
        while not queue.over:
            # One more than fits, where none does: a task that waits makes a cluster grow that can.
            while len(tasks.running) < max(1, tasks.places()) and (job := queue.take(network)) is not None:
                state = tasks.start(job)
                for name in queue.ended(job, state) if state else []:
                    ended(name)
            if not tasks.running:
                work.say("waiting for another process")
            for job, state, error in tasks.ended(work):
                if error is not None:
                    raise error
                if state == "done":
                    network = job.network
                for name in give_again(job, queue, work) if state == "died" else queue.ended(job, state):
                    ended(name)

    def _resources(self) -> dict[str, Any]:
        variables = thread_settings(max(1, int(self._cpus)))
        return {"num_cpus": self._cpus, "num_gpus": self._gpus, "runtime_env": {"env_vars": variables}}


class _Tasks:
    """The tasks that run now, a run each.

    Args:
        ray: the package.
        order: makes their Runners.
        carrier: of their files; None where all machines see the sweep's folder.
        resources: of each task.
    """

    def __init__(self, ray: Any, order: Order, carrier: Carrier | None, resources: dict[str, Any]) -> None:
        self._ray, self._order, self._carrier, self._resources = ray, order, carrier, resources
        # Not retried by Ray: then the queue decides what the free worker does next, and the user is told.
        options = {**resources, "max_retries": 0}
        self._attempt = ray.remote(attempt).options(**options)
        self._attempt_copy = ray.remote(attempt_copy).options(**options)
        self._mailbox = ray.remote(Mailbox).options(num_cpus=0, max_restarts=-1).remote()
        self._dense: dict[str | None, Any] = {}
        self.running: dict[Any, Job] = {}

    def places(self) -> int:
        """Number of runs that the cluster has room for at a time; it may grow and shrink."""
        cpus, gpus = self._resources["num_cpus"], self._resources["num_gpus"]
        found = 0
        for node in self._ray.nodes():
            if node["Alive"]:
                has = node["Resources"]
                parts = [has.get(kind, 0) / wanted for kind, wanted in (("CPU", cpus), ("GPU", gpus)) if wanted]
                found += int(min(parts)) if parts else 1
        return found

    def start(self, job: Job) -> str | None:
        """Start a job; or say what `Runner.attempt` would, if it cannot be started."""
        carrier, place = self._carrier, os.getcwd()
        if carrier is None:
            self.running[self._attempt.remote(self._order, job.name, place, self._mailbox)] = job
            return None
        if not carrier.startable(job):
            return "gone"
        if not carrier.lock(job):
            return "later"
        if job.needs not in self._dense:
            self._dense[job.needs] = self._ray.put(carrier.dense(job.needs) if job.needs else {})
        own = {**carrier.recipe, **carrier.own(job)}
        sent = self._attempt_copy.remote(self._order, job.name, place, self._mailbox, own, self._dense[job.needs])
        self.running[sent] = job
        return None

    def ended(self, work: Meter) -> list[tuple[Job, str, Exception | None]]:
        """Wait a moment, show what was reported, and tell which jobs have ended and how; "died": with their worker."""
        ready: list[Any] = []
        if self.running:
            ready, _ = self._ray.wait(list(self.running), num_returns=1, timeout=_POLL_SECONDS)
        else:
            time.sleep(_POLL_SECONDS)
        self._show_events(work)
        return [self._outcome(task) for task in ready]

    def stop(self) -> None:
        """End all tasks, whatever they are doing: every run can be resumed."""
        for task, job in self.running.items():
            self._ray.cancel(task, force=True)
            if self._carrier:
                self._carrier.release(job)
        self.running.clear()

    def _outcome(self, task: Any) -> tuple[Job, str, Exception | None]:
        job = self.running.pop(task)
        try:
            state, error, files = self._ray.get(task)
            if self._carrier and error is None:
                self._carrier.bring_back(job, files)
            return job, state, error
        except self._ray.exceptions.RayTaskError as problem:  # `attempt` raises nothing: it could not be called
            return job, "failed", UserError(f"a machine of the cluster cannot do {job.name}: {problem}")
        except self._ray.exceptions.RayError:  # its worker or its machine
            return job, "died", None
        finally:
            if self._carrier:
                self._carrier.release(job)

    def _show_events(self, work: Meter) -> None:
        try:
            events = self._ray.get(self._mailbox.take.remote(), timeout=_MAILBOX_SECONDS)
        except self._ray.exceptions.RayError:  # its machine is lost; it starts again elsewhere
            return
        for event in events:
            show(event, work)
