"""Paired statistics of few seeds: t intervals, Holm's correction, one-sided bounds.

Student (1908) for the interval, Holm (1979) for the family; values are differences within a seed.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

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
    if len(found) == 1:
        return float(found[0]), math.nan, math.nan
    limits = _t_test(found).confidence_interval(confidence)
    return float(found.mean()), float(limits.low), float(limits.high)


def upper_bound(values: ArrayLike, confidence: float = 0.95) -> float:
    """One-sided upper t bound of the mean; NaN for fewer than two values."""
    found = np.asarray(values, float)
    if len(found) < 2:
        return math.nan
    return float(_t_test(found, "less").confidence_interval(confidence).high)


def p_value(values: ArrayLike) -> float:
    """Two-sided p of the paired t test that the mean is zero; NaN for fewer than two values.

    Values that do not vary at all give 1 if they are zero, else 0.
    """
    found = np.asarray(values, float)
    if len(found) < 2:
        return math.nan
    if stats.sem(found) <= 1e-12 * abs(found.mean()):
        return float(found.mean() == 0)
    return float(_t_test(found).pvalue)


def holm(p_values: ArrayLike) -> list[float]:
    """Holm's step-down adjustment: reject where the result is below the level, and the family's error holds.

    Args:
        p_values: of the family; a NaN is not in it and stays NaN.

    Returns:
        adjusted values in the same order, at most 1.
    """
    from statsmodels.stats.multitest import multipletests  # slow to import

    found = np.asarray(p_values, float)
    adjusted, known = np.full(len(found), math.nan), ~np.isnan(found)
    if known.any():
        adjusted[known] = multipletests(found[known], method="holm")[1]
    return adjusted.tolist()


def _t_test(values: np.ndarray, alternative: str = "two-sided") -> Any:
    """scipy's t test, quiet about values that do not vary: their interval has no width."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return stats.ttest_1samp(values, 0.0, alternative=alternative)
