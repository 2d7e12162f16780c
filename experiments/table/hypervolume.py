"""The hypervolume that a curve covers: how much quality of all tasks it keeps for how much is saved, in one figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.declaration import Declaration
from experiments.table.claims.statistics import interval
from experiments.table.task_curves import COSTS, counted, labels, names, normalised, remaining, whole_network_ends

REFERENCE = "the reference point is a network that is as costly as dense and as good as the trivial predictors"


@dataclass(frozen=True)
class Covered:
    """The hypervolume of one curve.

    Attributes:
        name: of the curve.
        mean, low, high: over seeds, with the 95% t interval; the limits are NaN for one seed.
        seeds: how many.
    """

    name: str
    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        spread = "" if np.isnan(self.low) else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.name}: {self.mean:.3f}{spread}, {counted(self.seeds, 'seed')}"


def hypervolumes(table: pd.DataFrame, problem: Declaration, cost: str = "macs") -> list[Covered]:
    """Every curve's hypervolume, of the points of its ratios, in the space of each task's quality and what is saved.

    Qualities are normalised (0: the trivial predictor, 1: dense) and at least 0; saved is 1 minus the share of the cost
    that remains. The dense model, which all curves share, is no point of theirs. 1 would be a network as good as dense
    that costs nothing; one better than dense may exceed it.

    Args:
        table: of a sweep.
        problem: says which measure stands for a task.
        cost: a key of `task_curves.COSTS`.
    """
    if cost not in COSTS:
        raise ValueError(f"cost is {cost!r}; expected one of {', '.join(COSTS)}")
    ends = whole_network_ends(table)
    points = normalised(table, problem).loc[ends.index].assign(saved=1 - remaining(table, cost).loc[ends.index])
    points = points.assign(curve=labels(ends, ends), seed=ends["seed"], asked=ends["asked"]).dropna()
    axes = [*problem.primary, "saved"]
    found = []
    for name in names(table):
        by_seed = points[points["curve"] == name].groupby("seed")
        values = [volume(rows.groupby("asked")[axes].mean().to_numpy()) for _, rows in by_seed]
        if values:
            found.append(Covered(name, *interval(values), len(values)))
    return found


def volume(points: np.ndarray) -> float:
    """Hypervolume of points (N, D) against the origin, more being better on every axis; negative values count as 0."""
    import moocore  # only where it is asked for

    return float(moocore.hypervolume(np.maximum(points, 0.0), ref=np.zeros(points.shape[1]), maximise=True))
