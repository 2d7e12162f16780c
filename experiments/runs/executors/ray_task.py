"""The side of a Ray worker: it attempts a run, in the sweep's folder or in a copy of the part that the run needs."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock

from experiments.errors import UserError
from experiments.runs.executors.carried_files import Files, pack, run_path, unpack
from experiments.runs.executors.jobs import Order
from experiments.runs.executors.reporting import Attempts, Event, Reporter

Outcome = tuple[str, Exception | None, Files]
"""What became of a run (see `Attempts`), and its files where these are brought back."""

_SECONDS_TO_REPORT = 10.0
_PREFIX = "taskprune-ray-copy-"  # of temporary folders


class Mailbox:
    """What the workers report, until the driver asks for it; a Ray actor."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=10_000)

    def put(self, event: Event) -> None:
        """Take an event."""
        self._events.append(event)

    def take(self) -> list[Event]:
        """All events since the last time."""
        found = list(self._events)
        self._events.clear()
        return found


class _Worker:
    """What this process keeps between its tasks of one sweep: the Runner, and with it the compiled model."""

    def __init__(self, order: Order) -> None:
        self.mailbox: Any = None
        self._last: Any = None
        self._attempts = Attempts(order, Reporter(self._send))

    def attempt(self, name: str) -> tuple[str, Exception | None]:
        outcome = self._attempts(name)
        with suppress(Exception):  # a report that is lost is no reason to lose the run
            import ray

            ray.get(self._last, timeout=_SECONDS_TO_REPORT)  # so that a failure is shown before its run has ended
        return outcome

    def _send(self, event: Event) -> None:
        with suppress(Exception):
            self._last = self.mailbox.put.remote(event)


_workers: dict[Order, _Worker] = {}


def attempt(order: Order, name: str, place: str, mailbox: Any) -> Outcome:
    """Attempt a run in the sweep's own folder.

    Args:
        order: its recipe's path is absolute.
        name: of the run.
        place: working directory of the driver, which relative paths of data start from.
        mailbox: takes the reports.
    """
    _go_to(place)
    return *_worker(order, mailbox).attempt(name), {}


def attempt_copy(order: Order, name: str, place: str, mailbox: Any, own: Files, dense: Files) -> Outcome:
    """Attempt a run in a temporary folder of this machine.

    Args:
        order, name, place, mailbox: as for `attempt`.
        own: the recipe, and the run's unfinished files.
        dense: files of the dense run that it starts from.
    """
    _go_to(place)
    temporary = Path(tempfile.gettempdir()) / f"{_PREFIX}{order.began:.6f}-{os.getpid()}"
    folder = temporary / order.folder.name
    _remove_left_behind()
    lock = _held(temporary)
    try:
        unpack(dense, folder)
        unpack(own, folder)
        here = replace(order, recipe=str(folder / Path(order.recipe).name))
        state, error = _worker(here, mailbox).attempt(name)
        return state, error, pack(folder, run_path(name))
    except (OSError, UserError) as problem:
        return "failed", UserError(f"on {platform.node()}: {problem}"), {}
    finally:
        if lock is not None:
            lock.release()
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_left_behind() -> None:
    """Delete the folders of workers that were killed: nobody holds them."""
    for held in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/held"):
        path = held.parent
        lock = _held(path)
        if lock is not None:
            lock.release()
            shutil.rmtree(path, ignore_errors=True)


def _held(path: Path) -> filelock.BaseFileLock | None:
    """A lock of a temporary folder, which is made if need be; None where another process holds it."""
    try:
        path.mkdir(exist_ok=True)
        lock = filelock.FileLock(path / "held", blocking=False, thread_local=False)
        lock.acquire()
        return lock
    except (OSError, filelock.Timeout):  # Timeout: in use; OSError: another user's, or just deleted
        return None


def sees(path: str) -> bool:
    """Whether this machine sees a file."""
    return Path(path).exists()


def _worker(order: Order, mailbox: Any) -> _Worker:
    if order not in _workers:
        _workers.clear()  # the memory of another sweep first
        _workers[order] = _Worker(order)
    _workers[order].mailbox = mailbox
    return _workers[order]


def _go_to(place: str) -> None:
    with suppress(OSError):  # another machine may not have it: then absolute paths only
        os.chdir(place)
