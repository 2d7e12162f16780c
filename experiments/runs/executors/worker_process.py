"""The side of a local worker: it does what it is given, and ends when its parent does."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from experiments.runs.executors.jobs import Order
from experiments.runs.executors.reporting import Attempts, Event, Reporter

READY: Event = ("ready", {})
"""The first event of a worker: from now on it takes jobs."""

_attempts: Attempts | None = None  # of this process, which is a worker


def begin(events: Connection, order: Order) -> None:
    """Make this process a worker.

    Args:
        events: where it reports to.
        order: makes its Runner.
    """
    global _attempts
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def send(event: Event) -> None:
        try:
            events.send(event)
        except OSError:
            os._exit(1)  # there is nobody to work for; the run can be resumed

    reporter = Reporter(send)
    _quiet(reporter.note)
    _attempts = Attempts(order, reporter)
    send(READY)


def attempt(name: str) -> tuple[str, Exception | None]:
    """What became of a run: see `Attempts`."""
    assert _attempts is not None, "this process is no worker"
    return _attempts(name)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # a training step cannot be interrupted otherwise; the run can be resumed


def _quiet(note: Callable[[str], None]) -> None:
    """Keep libraries' words off the terminal, where the parent draws its bar: Python's become notes, others go."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    sys.stdout, sys.stderr = _Lines(note), _Lines(note)


class _Lines(io.TextIOBase):
    """A text file that passes on every line, once it is complete."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note, self._rest = note, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._note(line.rstrip())
        return len(text)
