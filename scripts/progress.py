"""One bar for all the work of a command, with the time left estimated from measured units of work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

_LINE_SECONDS = 20.0  # between lines where there is no terminal


class Work:
    """Counts units of several kinds (training steps, evaluated pictures) towards one total.

    A kind's cost is the mean time of its units, the first left out, because it compiles. A kind that has not
    been met yet is guessed from `guesses`: its cost in units of another kind.

    Args:
        units: kind -> number to be done.
        guesses: kind -> (other kind, factor).
        console: where to show; the terminal if None.
    """

    def __init__(
        self,
        units: Mapping[str, int],
        guesses: Mapping[str, tuple[str, float]] | None = None,
        console: Console | None = None,
    ) -> None:
        self.left = Counter(units)
        self._guesses = dict(guesses or {})
        self._seconds: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._total = Counter(units)
        self._first: set[str] = set()
        self._console = console or Console(stderr=True)
        self._began = self._last = self._line = time.monotonic()
        self._text = ""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[times]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=1.0, times="")

    def __enter__(self) -> Work:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def expect(self, units: Mapping[str, int]) -> None:
        """Set anew what is to be done, once it is known."""
        self.left, self._total = Counter(units), Counter(units)

    @property
    def seconds_gone(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """What is being done now."""
        self._text = text
        self._last = time.monotonic()
        self._show(force=False)

    def note(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def did(self, kind: str, count: int = 1, text: str = "") -> None:
        """Report finished units; the time since the last report was theirs."""
        now = time.monotonic()
        if kind in self._first:
            self._seconds[kind] += now - self._last
            self._done[kind] += count
        self._first.add(kind)
        self._last = now
        self.left[kind] = max(0, self.left[kind] - count)
        self._show(text)

    def skip(self, kind: str, count: int) -> None:
        """Units that turn out to have been done before."""
        self.left[kind] = max(0, self.left[kind] - count)

    def seconds_of(self, kind: str) -> float | None:
        """Measured or guessed seconds of a unit; None while nothing is known."""
        if self._done[kind]:
            return self._seconds[kind] / self._done[kind]
        other, factor = self._guesses.get(kind, (kind, 1.0))
        return factor * self._seconds[other] / self._done[other] if self._done[other] else None

    def seconds_left(self) -> float | None:
        """Estimate of the time left; None while nothing is known."""
        costs = {kind: self.seconds_of(kind) for kind, count in self.left.items() if count}
        if any(cost is None for cost in costs.values()):
            return None
        return sum(costs[kind] * self.left[kind] for kind in costs)

    def _share(self) -> float:
        costs = {kind: self.seconds_of(kind) or 1.0 for kind in self._total}
        total = sum(costs[kind] * count for kind, count in self._total.items())
        left = sum(costs[kind] * self.left[kind] for kind in self._total)
        return 1.0 - left / total if total else 1.0

    def _show(self, text: str = "", force: bool = False) -> None:
        now, left, share = time.monotonic(), self.seconds_left(), self._share()
        times = f"{clock(now - self._began)} gone, " + ("..." if left is None else clock(left)) + " left"
        label = f"{self._text} {text}".rstrip()
        if self._console.is_terminal:
            self._bar.update(self._task, description=label, completed=share, times=times)
        elif now - self._line >= _LINE_SECONDS or force:
            self._line = now
            self._console.print(f"{share:4.0%}  {label}  ({times})", highlight=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
