"""Where a run's time goes: every second is counted to what is being done, and only to that."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

KINDS = ("train", "prune", "evaluate", "overhead")


class Stopwatch:
    """Counts seconds by kind. What is within no `with watch(kind)` is "overhead"; an inner one stops the outer."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._kinds = ["overhead"]
        self._since = time.perf_counter()

    @contextmanager
    def __call__(self, kind: str) -> Iterator[None]:
        """Count to `kind` what happens within."""
        self._charge()
        self._kinds.append(kind)
        try:
            yield
        finally:
            self._charge()
            self._kinds.pop()

    def lap(self) -> dict[str, float]:
        """Columns of a row: seconds since the last lap, for every kind of KINDS; others are forgotten."""
        self._charge()
        found = {f"{kind}_seconds": round(self._seconds[kind], 3) for kind in KINDS}
        self._seconds.clear()
        return found

    def _charge(self) -> None:
        now = time.perf_counter()
        self._seconds[self._kinds[-1]] += now - self._since
        self._since = now
