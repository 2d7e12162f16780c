"""What choosing channels costs a run: seconds, and pictures that were looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from experiments.runs.run_folder import RunFolder

T = TypeVar("T")
_COLUMNS = ("select_seconds", "select_pictures")


class SelectionCost:
    """Adds up what a run chooses by; what is kept for several runs is charged to each of them."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Any, float]] = {}
        self.clear()

    def clear(self) -> None:
        """Begin a run."""
        self._seconds, self._pictures, self._chosen = 0.0, 0, False

    def forget(self) -> None:
        """Keep nothing of before."""
        self._kept.clear()

    def of(self, compute: Callable[[], T], pictures: int = 0, key: Hashable = None) -> T:
        """What `compute` gives, and its cost charged.

        Args:
            compute: scores or plans.
            pictures: that it looks at.
            key: to keep the result by, if not None: when asked again it is not computed, but charged again.
        """
        if key is None or key not in self._kept:
            began = time.perf_counter()
            result = compute()
            seconds = time.perf_counter() - began
            if key is not None:
                self._kept[key] = (result, seconds)
        else:
            result, seconds = self._kept[key]
        self._seconds, self._pictures, self._chosen = self._seconds + seconds, self._pictures + pictures, True
        return result

    def of_row(self, folder: RunFolder, first: str, stage: str) -> dict[str, Any]:
        """Columns of a run's row: those of its first one; none where another process chose before that was written.

        Args:
            folder: of the run.
            first: the stage of its first row.
            stage: of this row.
        """
        if stage != first and folder.finished(first):
            return {name: value for name, value in folder.read(first).items() if name in _COLUMNS}
        found = (round(self._seconds, 3), self._pictures)
        return dict(zip(_COLUMNS, found, strict=True)) if self._chosen else {}
