"""The parent's side of a local worker: a process of its own, which can die without harm to the others."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from experiments.runs.executors.jobs import Job, Order
from experiments.runs.executors.reporting import show
from experiments.runs.executors.worker_process import READY, attempt, begin
from experiments.runs.monitoring.progress_bar import Meter

_SPAWN = multiprocessing.get_context("spawn")  # a fork of a process that has imported TensorFlow hangs


class LocalWorker:
    """One worker; its process starts with its first job, and anew after it died.

    Args:
        order: makes its Runner.
        environment: variables that its process has.

    Attributes:
        job: what it does now; None if it is free.
        network: that it has in memory.
        events: the pipe that it reports through, while it lives.
        ready: whether its process has begun to take jobs; one that never does has no run to blame.
    """

    def __init__(self, order: Order, environment: Mapping[str, str]) -> None:
        self._order, self._environment = order, environment
        self.job: Job | None = None
        self.network: str | None = None
        self.events: Connection | None = None
        self.ready = False
        self._process: BaseProcess | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._result: Future[tuple[str, Exception | None]] | None = None

    def start(self, job: Job) -> None:
        """Do a job."""
        self.job = job
        if self._pool is not None:
            self._result = self._pool.submit(attempt, job.name)
            return
        self.ready = False
        self.events, childs_end = _SPAWN.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(1, _SPAWN, begin, (childs_end, self._order))
        others = set(multiprocessing.active_children())
        with environment(self._environment):  # not by `begin`: a child imports the main module, and all it needs, first
            self._result = self._pool.submit(attempt, job.name)
        self._process = next(iter(set(multiprocessing.active_children()) - others), None)
        childs_end.close()  # so that the pipe ends when the child does

    def show_events(self, work: Meter) -> None:
        """Show what it has reported."""
        try:
            while self.events is not None and self.events.poll():
                event = self.events.recv()
                if event == READY:
                    self.ready = True
                else:
                    show(event, work)
        except (EOFError, OSError):  # the child died, perhaps in the middle of a word
            self.events = None

    @property
    def finished(self) -> bool:
        """Whether its job has ended, or its process."""
        return self._result is not None and self._result.done()

    def outcome(self) -> tuple[str, Exception | None]:
        """What became of its job (see `Attempts`), after which it is free. "died": its process ended before the job."""
        assert self._result is not None, "it has no job"
        result, self._result, self.job = self._result, None, None
        try:
            return result.result()
        except BrokenProcessPool:
            self.stop()
            return "died", None

    def stop(self) -> None:
        """End its process; in the middle of a job, too, since every run can be resumed."""
        if self.job is not None and self._process is not None:
            self._process.kill()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = self.events = self.network = None


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that processes started meanwhile have."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        told = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):  # a driver that does not answer has no GPU to give
        return []
    return [str(number) for number, _ in enumerate(line for line in told.splitlines() if line.startswith("GPU "))]


def gpu_settings(number: int, count: int, gpus: list[str]) -> dict[str, str]:
    """Environment that gives worker `number` of `count` its GPU; nothing where there are none."""
    if not gpus:
        return {}
    chosen = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]}
    if count > len(gpus):
        chosen["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # else the first worker takes all memory of a shared GPU
    return chosen
