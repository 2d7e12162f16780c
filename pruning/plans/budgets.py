"""Budgets whose savings do not add up: met by bisection on the fraction of filters that goes everywhere."""

from collections.abc import Callable

import numpy as np

Gone = dict[str, np.ndarray]


def bisect(
    cut: Callable[[float], Gone],
    saved: Callable[[Gone], float],
    asked: float,
    measure: str,
    resolution: float = 1e-9,
) -> tuple[Gone, float]:
    """The cut whose saving is nearest to what is asked, and that saving.

    Args:
        cut: fraction of the filters -> group -> bool (size,), what goes; more goes for more.
        saved: what a cut saves, as a fraction of `measure`.
        asked: that fraction.
        measure: named in errors.
        resolution: of the fraction of the filters; a coarse one where `saved` takes long.

    Raises:
        ValueError: so much cannot be saved; says how far it can go.
    """
    below, above = (0.0, cut(0.0)), (1.0, cut(1.0))
    low, high = saved(below[1]), saved(above[1])
    if high < asked:
        raise ValueError(
            f"{asked:.2%} of {measure} cannot be removed: at most {high:.2%} can, with these groups, round_to, "
            "min_channels and max_sparsity"
        )
    if low >= asked:
        return below[1], low
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
    return (below[1], low) if asked - low <= high - asked else (above[1], high)


def _same(one: Gone, other: Gone) -> bool:
    return all(np.array_equal(gone, other[name]) for name, gone in one.items())
