"""Budgets whose savings do not add up: met by bisection on the fraction of filters that goes everywhere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Gone = dict[str, np.ndarray]


@dataclass(frozen=True)
class Met:
    """The cut whose saving is nearest to what is asked.

    Attributes:
        gone: group -> bool (size,), what goes.
        saved: what that saves, as a fraction.
        fraction: of the filters, that it was cut at.
        other: the next cut on the other side of what is asked; None where there is none, or none was looked for.
        other_saved: what that would save.
    """

    gone: Gone
    saved: float
    fraction: float
    other: Gone | None = None
    other_saved: float = 0.0

    def changes(self) -> dict[str, int]:
        """Group -> by how many channels the two cuts differ, for groups where they do."""
        if self.other is None:
            return {}
        counts = {name: int(np.count_nonzero(gone != self.other[name])) for name, gone in self.gone.items()}
        return {name: count for name, count in counts.items() if count}


class OutOfReach(ValueError):
    """So much cannot be saved."""


def bisect(
    cut: Callable[[float], Gone],
    saved: Callable[[Gone], float],
    asked: float,
    measure: str,
    resolution: float = 1e-9,
) -> Met:
    """The cut whose saving is nearest to what is asked; of two equally near the smaller.

    Args:
        cut: fraction of the filters -> group -> bool (size,), what goes; more goes for more.
        saved: what a cut saves, as a fraction of `measure`.
        asked: that fraction.
        measure: named in errors.
        resolution: of the fraction of the filters; a coarse one where `saved` takes long.

    Raises:
        OutOfReach: so much cannot be saved; says how far it can go.
    """
    below, above = (0.0, cut(0.0)), (1.0, cut(1.0))
    low, high = saved(below[1]), saved(above[1])
    if high < asked:
        raise OutOfReach(f"{asked:.2%} of {measure} cannot be removed: at most {high:.2%} can")
    if low >= asked:
        return Met(below[1], low, 0.0)
    while above[0] - below[0] > resolution:
        middle = (below[0] + above[0]) / 2
        gone = cut(middle)
        if _same(gone, below[1]):
            below = middle, gone
        elif _same(gone, above[1]):
            above = middle, gone
        else:
            figure = saved(gone)
            if figure < asked:
                below, low = (middle, gone), figure
            else:
                above, high = (middle, gone), figure
    if asked - low <= high - asked:
        return Met(below[1], low, below[0], above[1], high)
    return Met(above[1], high, above[0], below[1], low)


def _same(one: Gone, other: Gone) -> bool:
    return all(np.array_equal(gone, other[name]) for name, gone in one.items())
