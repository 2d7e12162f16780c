"""What a worker tells the process that waits for it."""

from __future__ import annotations

import pickle
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from experiments.errors import UserError
from experiments.runs.executors.jobs import Order
from experiments.runs.monitoring.progress_bar import Meter

Event = tuple[str, dict[str, Any]]
"""What happened: "did", "say", "note" or "skip", and its content."""

_FLUSH_SECONDS = 0.5


class Reporter(Meter):
    """Sends what it is told to another process. Counts are added up for half a second first.

    Args:
        send: takes an event away; it may be called from several threads, one at a time.
    """

    def __init__(self, send: Callable[[Event], Any]) -> None:
        super().__init__()
        self._sender, self._sending = send, threading.Lock()
        self._counts: Counter[str] = Counter()
        self._timed: Counter[str] = Counter()
        self._seconds: dict[str, float] = defaultdict(float)
        self._flushed = time.monotonic()

    def count(self, kind: str, count: int, seconds: float | None, text: str) -> None:
        self._counts[kind] += count
        if seconds is not None:
            self._timed[kind] += count
            self._seconds[kind] += seconds
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush(text)

    def flush(self, text: str = "") -> None:
        """Send what has been counted since the last time."""
        for kind, count in self._counts.items():
            timed, seconds = self._timed[kind], self._seconds[kind]
            self._send("did", kind=kind, count=count, timed=timed, seconds=seconds, text=text)
        for counter in (self._counts, self._timed, self._seconds):
            counter.clear()
        self._flushed = time.monotonic()

    def say(self, text: str) -> None:
        super().say(text)
        self.flush()
        self._send("say", text=text)

    def note(self, text: str) -> None:
        self._send("note", text=text)

    def skip(self, kind: str, count: int) -> None:
        self._send("skip", kind=kind, count=count)

    def _send(self, what: str, **content: Any) -> None:
        with self._sending:
            self._sender((what, content))


def show(event: Event, work: Meter) -> None:
    """Do to `work` what a worker did to its Reporter."""
    what, content = event
    if what == "did":
        kind, text, timed = content["kind"], content["text"], content["timed"]
        if timed:
            work.count(kind, timed, content["seconds"], text)
        if content["count"] > timed:
            work.count(kind, content["count"] - timed, None, text)
    else:
        getattr(work, what)(**content)


class Attempts:
    """Attempts runs with one Runner, which is made when it is first needed and then kept, with its compiled model.

    Args:
        order: makes the Runner.
        reporter: that the Runner reports to.
    """

    def __init__(self, order: Order, reporter: Reporter) -> None:
        self._order, self._reporter = order, reporter
        self._runner: Any = None

    def __call__(self, name: str) -> tuple[str, Exception | None]:
        """What `Runner.attempt` says about a run, and no error; or "failed" and the error, for the caller to raise."""
        try:
            if self._runner is None:
                self._runner = self._order.runner(self._reporter)
            return self._runner.attempt(name), None
        except Exception as error:
            return "failed", portable(error)
        finally:
            self._reporter.flush()


def portable(error: Exception) -> Exception:
    """The error, if another process can read it; else one that can be read and says the same."""
    text = traceback.format_exc()
    try:
        same = pickle.loads(pickle.dumps(error))
        if type(same) is type(error) and str(same) == str(error):
            if not isinstance(error, UserError):  # that one is for the user, who needs no traceback
                error.add_note(text)
            return error
    except Exception:  # the error's class may raise anything when it is made anew
        pass
    return UserError(str(error)) if isinstance(error, UserError) else RuntimeError(text)
