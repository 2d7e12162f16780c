"""Paired statistics of few seeds: t intervals, Holm's correction, one-sided bounds.

Student (1908) for the interval, Holm (1979) for the family; values are differences within a seed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

FEWEST_SEEDS = 4  # with fewer, an interval is shown and nothing is claimed


def interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean and two-sided t interval of the mean.

    Args:
        values: independent ones.
        confidence: of the interval.

    Returns:
        mean, low, high; the limits are NaN for a single value, everything is for none.
    """
    found = np.asarray(values, float)
    if not len(found):
        return math.nan, math.nan, math.nan
    half = _error(found) * stats.t.ppf(0.5 + confidence / 2, len(found) - 1) if len(found) > 1 else math.nan
    return float(found.mean()), float(found.mean() - half), float(found.mean() + half)


def upper_bound(values: ArrayLike, confidence: float = 0.95) -> float:
    """One-sided upper t bound of the mean; NaN for fewer than two values."""
    found = np.asarray(values, float)
    if len(found) < 2:
        return math.nan
    return float(found.mean() + _error(found) * stats.t.ppf(confidence, len(found) - 1))


def p_value(values: ArrayLike) -> float:
    """Two-sided p of the paired t test that the mean is zero; NaN for fewer than two values.

    Values that do not vary at all give 1 if they are zero, else 0.
    """
    found = np.asarray(values, float)
    if len(found) < 2:
        return math.nan
    error, mean = _error(found), found.mean()
    if error <= 1e-12 * abs(mean):
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / error, len(found) - 1))


def holm(p_values: ArrayLike) -> list[float]:
    """Holm's step-down adjustment: reject where the result is below the level, and the family's error holds.

    Args:
        p_values: of the family; a NaN is not in it and stays NaN.

    Returns:
        adjusted values in the same order, at most 1.
    """
    found = np.asarray(p_values, float)
    adjusted = np.full(len(found), math.nan)
    order = [i for i in np.argsort(found, kind="stable") if not math.isnan(found[i])]
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * found[i]))
        adjusted[i] = largest
    return adjusted.tolist()


def _error(values: np.ndarray) -> float:
    """Standard error of the mean."""
    return float(values.std(ddof=1) / math.sqrt(len(values)))
