"""Several processes that share the runs of a sweep, and report to one progress bar.

The parent starts the same command again, once a worker, with a variable set. A worker takes whatever run is free and
writes what it does to its standard output, a JSON line an event; the parent shows it and makes the table.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command import UserError
from progress import Meter, Work
from record import cores

MARK = "TASKPRUNE_WORKER"
_FLUSH_SECONDS = 0.5


class Pipe(Meter):
    """Reports to the parent process."""

    def __init__(self) -> None:
        super().__init__()
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
            self.send("did", kind=kind, count=count, timed=timed, seconds=seconds, text=text)
        for counter in (self._counts, self._timed, self._seconds):
            counter.clear()
        self._flushed = time.monotonic()

    def say(self, text: str) -> None:
        super().say(text)
        self.flush()
        self.send("say", text=text)

    def note(self, text: str) -> None:
        self.flush()
        self.send("note", text=text)

    def skip(self, kind: str, count: int) -> None:
        self.send("skip", kind=kind, count=count)

    def ran(self) -> None:
        """A run has ended."""
        self.flush()
        self.send("ran")

    def send(self, event: str, **content: Any) -> None:
        """Write an event. Without a parent there is nobody to work for: the process ends, its run can be resumed."""
        try:
            print(json.dumps({"event": event, **content}), flush=True)
        except BrokenPipeError:
            sys.stdout = open(os.devnull, "w", encoding="utf-8")
            raise SystemExit(1) from None


def is_worker() -> bool:
    """Whether this process was started by `share`."""
    return MARK in os.environ


def threads_each(count: int, threads: int) -> int:
    """Threads of each of `count` workers that have `threads` together; 0: one for every core."""
    return max(1, (threads or cores()) // count)


def share(recipe: Path, count: int, threads: int, live: str, work: Work, ran: Callable[[], Any]) -> None:
    """Let workers do a sweep, and wait for them.

    Args:
        recipe: file of all settings.
        count: of workers.
        threads: of them together; 0: one for every core.
        live: where runs are followed.
        work: shows what all of them do.
        ran: called whenever a run has ended.

    Raises:
        UserError: a worker could not use the recipe, its data or its folder; it has said why.
    """
    each = threads_each(count, threads)
    command = [sys.executable, str(Path(__file__).with_name("sweep.py")), str(recipe)]
    command += ["--threads", str(each), "--live", live]
    environment = {**os.environ, MARK: "1", "OMP_NUM_THREADS": str(each)}
    children = [
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, text=True)
        for _ in range(count)
    ]
    try:
        _listen(children, work, ran)
        codes = [child.wait() for child in children]
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
                child.wait()
    if 2 in codes:
        raise UserError("a worker had to stop: it says why above")
    for code in codes:
        if code not in (0, 1):
            work.note(f"a worker ended with status {code}; its run goes on when the command is started again")


def _listen(children: list[subprocess.Popen], work: Work, ran: Callable[[], Any]) -> None:
    with selectors.DefaultSelector() as selector:
        for child in children:
            selector.register(child.stdout, selectors.EVENT_READ, child.stdout)  # type: ignore[arg-type]  # it is a PIPE
        while selector.get_map():
            for key, _ in selector.select():
                line = key.data.readline()
                if line:
                    _take(line, work, ran)
                else:
                    selector.unregister(key.fileobj)


def _take(line: str, work: Work, ran: Callable[[], Any]) -> None:
    try:
        content = json.loads(line)
        event = content.pop("event")
    except (ValueError, KeyError, TypeError, AttributeError):
        work.note(line.rstrip())  # a library's own words
        return
    if event == "did":
        work.add(**content)
    elif event == "ran":
        ran()
    else:
        getattr(work, event)(**content)
