"""What one may say about two sides of a comparison: a paired contrast for each task, in numbers and in words.

The contrast of a task is the mean normalised quality over the ratios, one side minus the other, paired by seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from contrasts import FEWEST_SEEDS, holm, interval, p_value, upper_bound
from curves import PRIMARY, TASK_NAMES, counted, normalised, percent
from selecting import Side

MARGIN = 0.01  # 1 AP
AP = {"bbox_ap": "box AP", "mask_ap": "mask AP"}


@dataclass(frozen=True)
class Contrast:
    """Of one task: a side minus the other.

    Attributes:
        task: one of PRIMARY.
        differences: seed -> difference of the mean normalised quality over the ratios.
        mean, low, high: of the differences, with the 95% t interval; NaN where it has none.
        p, p_holm: of the paired t test, and adjusted over the tasks.
    """

    task: str
    differences: dict[int, float]
    mean: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def claimed(self) -> bool:
        """Whether there are seeds enough, and the adjusted p is below 0.05."""
        return len(self.differences) >= FEWEST_SEEDS and self.p_holm < 0.05


@dataclass(frozen=True)
class Comparison:
    """Two sides and what follows.

    Attributes:
        names: of both.
        ratios: that both have; `seeds` have all of them on both sides.
        contrasts: a task each.
        cost: mean share of the dense MACs that each side has left.
        missing: seeds that are left out, as a ratio is missing on a side.
        same_dense: whether both sides started from the same dense models.
    """

    names: tuple[str, str]
    ratios: tuple[float, ...]
    seeds: tuple[int, ...]
    contrasts: tuple[Contrast, ...]
    cost: tuple[float, float]
    missing: tuple[int, ...]
    same_dense: bool


def compare(first: Side, second: Side) -> Comparison | None:
    """The contrasts of two sides; None if they have no ratio and seed in common."""
    ratios = sorted({*first.rows["asked"]} & {*second.rows["asked"]})
    tables = [_by_seed(side, ratios, lambda s: normalised(s.table).loc[s.rows.index]) for side in (first, second)]
    complete = [set(table.index) for table in tables]
    seeds = sorted(complete[0] & complete[1])
    if not seeds:
        return None
    everyone = {*first.rows["seed"], *second.rows["seed"]}
    differences = {task: (tables[0][task] - tables[1][task]).loc[seeds].dropna() for task in PRIMARY}
    p_values = {task: p_value(values) for task, values in differences.items()}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    contrasts = [
        Contrast(
            task, {int(s): float(v) for s, v in d.items()}, *interval(d.to_numpy()), p_values[task], adjusted[task]
        )
        for task, d in differences.items()
    ]
    return Comparison(
        names=(first.name, second.name),
        ratios=tuple(ratios),
        seeds=tuple(map(int, seeds)),
        contrasts=tuple(contrasts),
        cost=(_cost(first, ratios, seeds), _cost(second, ratios, seeds)),
        missing=tuple(map(int, sorted(everyone - set(seeds)))),
        same_dense=_same_dense(first.table, second.table),
    )


def _by_seed(side: Side, ratios: list[float], values: Callable[[Side], pd.DataFrame]) -> pd.DataFrame:
    """Mean over ratios for every seed that has them all; repeats are averaged first."""
    keyed = values(side).groupby([side.rows["seed"], side.rows["asked"]]).mean()
    keyed = keyed[keyed.index.get_level_values("asked").isin(ratios)]
    sums = keyed.groupby(level="seed")
    complete = sums.size() == len(ratios)
    return sums.agg(lambda column: column.mean(skipna=False))[complete]


def _cost(side: Side, ratios: list[float], seeds: list[float]) -> float:
    """Mean share of the dense model's MACs."""
    rows = side.rows[side.rows["asked"].isin(ratios) & side.rows["seed"].isin(seeds)]
    dense = side.table[side.table["stage"] == "dense"]
    if "effective_macs" not in rows or dense.empty:
        return math.nan
    return float((rows["effective_macs"] / rows["seed"].map(dense.groupby("seed")["effective_macs"].mean())).mean())


def _same_dense(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether the dense rows of the seeds that two tables share have the same figures."""
    columns = list(PRIMARY.values())
    a, b = (table[table["stage"] == "dense"].set_index("seed").reindex(columns=columns) for table in (first, second))
    a, b = a.align(b, join="inner")
    return bool(np.allclose(a.to_numpy(float), b.to_numpy(float), atol=1e-9, equal_nan=True))


def sentence(contrast: Contrast, names: tuple[str, str]) -> str:
    """What may be said about a task, and no more."""
    a, b = names
    task, seeds = TASK_NAMES[contrast.task], len(contrast.differences)
    if not seeds:
        return f"{task}: nothing to compare: no seed has a dense model that beats the floor."
    if seeds == 1:
        return f"{task}: 1 seed: {a} minus {b} is {contrast.mean:+.3f}; no interval, no claim."
    figures = f"{contrast.mean:+.3f} [{contrast.low:+.3f}, {contrast.high:+.3f}]"
    if seeds < FEWEST_SEEDS:
        return f"{task}: {seeds} seeds are too few for a claim: {a} minus {b} is {figures}."
    p = "Holm p < 0.001" if contrast.p_holm < 0.001 else f"Holm p = {contrast.p_holm:.3f}"
    if not contrast.claimed:
        return f"{task}: {a} and {b} cannot be told apart: {figures}, {p}, {seeds} seeds."
    if contrast.mean > 0:
        return f"{task}: {a} keeps more quality than {b}: {figures}, {p}, {seeds} seeds."
    return f"{task}: {a} keeps less quality than {b}: {figures}, {p}, {seeds} seeds."


def within_margin(side: Side) -> list[str]:
    """Whether a side's fine-tuned networks are within 1 AP of the dense control, a line a ratio.

    It is where the one-sided 95% t bound of the drop, paired by seed, is under 1 AP; each bound is on its own.
    """
    tuned = side.rows[side.rows["stage"].isin(["finetuned", "removed"])]
    lines = []
    for ratio, rows in tuned.groupby("asked"):
        by_seed = rows.groupby("seed")
        drops = {name: -by_seed[f"delta_{c}"].mean().dropna() for c, name in AP.items() if f"delta_{c}" in rows}
        drops = {name: values.to_numpy() for name, values in drops.items() if len(values)}
        if drops:
            seeds = " and ".join(dict.fromkeys(counted(len(values), "seed") for values in drops.values()))
            found = "; ".join(_margin_text(name, values) for name, values in drops.items())
            lines.append(f"{side.name}, {percent(ratio)}, {seeds}: {found}.")
    return lines


def _margin_text(name: str, drops: np.ndarray) -> str:
    mean = f"drop {100 * drops.mean():.1f}"
    if len(drops) < FEWEST_SEEDS:
        return f"{name} {mean}, too few seeds for a claim"
    bound = upper_bound(drops)
    return f"{name} {'yes' if bound < MARGIN else 'not shown'} ({mean}, at most {100 * bound:.1f})"


def text(comparison: Comparison) -> list[str]:
    """The comparison in sentences: what was compared, a line a task, and what stands in the way."""
    a, b = comparison.names
    ratios = ", ".join(percent(ratio) for ratio in comparison.ratios)
    head = f"{a} minus {b}: normalised quality (0: trivial predictor, 1: dense model), mean over {ratios}, paired by "
    head += f"seed; 95% t intervals; Holm over the {len(PRIMARY)} tasks."
    lines = [head, *(f"  {sentence(contrast, comparison.names)}" for contrast in comparison.contrasts)]
    apart = abs(comparison.cost[0] - comparison.cost[1])
    if apart > 0.02:
        shares = f"{comparison.cost[0]:.0%} and {comparison.cost[1]:.0%}"
        lines.append(f"  Mind: they do not cost the same: {shares} of the dense MACs are left on average.")
    if not comparison.same_dense:
        lines.append("  Mind: the dense models of the same seed differ, so that pairing removes little noise.")
    if comparison.missing:
        seeds = ", ".join(map(str, comparison.missing))
        lines.append(f"  Left out, as a side lacks them at one of the ratios: seed {seeds}.")
    return lines
