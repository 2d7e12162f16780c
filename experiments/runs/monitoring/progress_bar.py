"""One bar for all the work of a command, with the time left estimated from measured units of work."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

_LINE_SECONDS = 20.0  # between lines where there is no terminal


class Meter:
    """Takes note of finished units of work of several kinds (training steps, evaluated pictures), and of their time.

    The time between two reports belongs to the units reported; a kind's first report is left out, because it compiles.
    What is done with it all is up to `count`, `say` and `note`; here, nothing.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._met: set[str] = set()

    def did(self, kind: str, count: int = 1, text: str = "") -> None:
        """Report finished units, and how far that is."""
        now = time.monotonic()
        seconds = now - self._last if kind in self._met else None
        self._met.add(kind)
        self._last = now
        self.count(kind, count, seconds, text)

    def say(self, text: str) -> None:
        """What is being done now; the clock of the next units starts."""
        self._last = time.monotonic()

    def note(self, text: str) -> None:
        """A line that stays."""

    def skip(self, kind: str, count: int) -> None:
        """Units that turn out not to be needed."""

    def count(self, kind: str, count: int, seconds: float | None, text: str) -> None:
        """Finished units, with their seconds where these are typical."""


class Work(Meter):
    """A bar on a terminal; a line now and then where there is none.

    A kind that has not been met yet is guessed from `guesses`: its cost in units of another kind.

    Args:
        units: kind -> number to be done.
        guesses: kind -> (other kind, factor).
        console: where to show; the terminal if None.
        parallel: processes that report here together.
    """

    def __init__(
        self,
        units: Mapping[str, int],
        guesses: Mapping[str, tuple[str, float]] | None = None,
        console: Console | None = None,
        parallel: int = 1,
    ) -> None:
        super().__init__()
        self.left = Counter(units)
        self._guesses = dict(guesses or {})
        self._parallel = parallel
        self._seconds: dict[str, float] = defaultdict(float)
        self._timed: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._console = console or Console(stderr=True)
        self._began = self._line = time.monotonic()
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
        """Set anew what is left to be done, once it is known."""
        self.left = Counter(units)

    @property
    def seconds_gone(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        super().say(text)
        self._text = text
        self._show("")

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)

    def skip(self, kind: str, count: int) -> None:
        self.left[kind] = max(0, self.left[kind] - count)

    def count(self, kind: str, count: int, seconds: float | None, text: str) -> None:
        self.add(kind, count, 0 if seconds is None else count, seconds or 0.0, text)

    def add(self, kind: str, count: int, timed: int, seconds: float, text: str) -> None:
        """Finished units, here or in another process; `timed` of them took `seconds`."""
        self._seconds[kind] += seconds
        self._timed[kind] += timed
        self._done[kind] += count
        self.left[kind] = max(0, self.left[kind] - count)
        self._show(text)

    def seconds_of(self, kind: str) -> float | None:
        """Measured or guessed seconds of a unit; None while nothing is known."""
        if self._timed[kind]:
            return self._seconds[kind] / self._timed[kind]
        other, factor = self._guesses.get(kind, (kind, 1.0))
        return factor * self._seconds[other] / self._timed[other] if self._timed[other] else None

    def seconds_left(self) -> float | None:
        """Estimate of the time left; None while nothing is known."""
        costs = [(self.seconds_of(kind), count) for kind, count in self.left.items() if count]
        known = [seconds * count for seconds, count in costs if seconds is not None]
        return sum(known) / self._parallel if len(known) == len(costs) else None

    def _share(self) -> float:
        kinds = {*self.left, *self._done}
        costs = {kind: self.seconds_of(kind) or 1.0 for kind in kinds}
        done = sum(costs[kind] * self._done[kind] for kind in kinds)
        left = sum(costs[kind] * self.left[kind] for kind in kinds)
        return done / (done + left) if done + left else 1.0

    def _show(self, text: str) -> None:
        now, left, share = time.monotonic(), self.seconds_left(), self._share()
        times = f"{clock(now - self._began)} gone, " + ("..." if left is None else clock(left)) + " left"
        label = f"{self._text} {text}".rstrip()
        if self._console.is_terminal:
            self._bar.update(self._task, description=label, completed=share, times=times)
        elif now - self._line >= _LINE_SECONDS:
            self._line = now
            self._console.print(f"{share:4.0%}  {label}  ({times})", highlight=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
