"""What one may say about two selections of runs: a paired contrast for each task, in numbers and in words.

The contrast of a task is the mean normalised quality over the ratios (or the MACs that were to be left), one selection
minus the other, paired by seed.
What is said together is corrected together: Holm's family is every contrast of every comparison that one text makes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.declaration import Task
from experiments.errors import UserError
from experiments.table.amounts import RATIO, amount_column, amount_text
from experiments.table.claims.statistics import FEWEST_SEEDS, holm, interval, p_value
from experiments.table.selection import Selection
from experiments.table.task_curves import counted, normalised, remaining, several_models


@dataclass(frozen=True)
class Contrast:
    """Of one task: a selection minus the other.

    Attributes:
        task: its name.
        title: the task in words.
        differences: seed -> difference of the mean normalised quality over the ratios.
        mean, low, high: of the differences, with the 95% t interval; NaN where it has none.
        p: of the paired t test; NaN with a single seed.
        p_holm: adjusted over the family of contrasts that the comparison belongs to.
    """

    task: str
    title: str
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
    """Two selections and what follows.

    Attributes:
        names: of both.
        ratios: that both have, or MACs that were to be left; `seeds` have all of them in both.
        measured_by: column of those: "asked" or "macs_asked".
        one_scale: whether quality 1 is the best of several dense models, and not that of each.
        contrasts: a task each.
        cost: mean share of the dense MACs that remains in each selection.
        missing: seeds that are left out, as a selection lacks them at a ratio.
        same_dense: whether both selections started from the same dense models.
        family: number of contrasts over which Holm's correction ran: all with a p of the comparisons made together.
        among: what the family is of: "comparison" or "report".
    """

    names: tuple[str, str]
    ratios: tuple[float, ...]
    seeds: tuple[int, ...]
    contrasts: tuple[Contrast, ...]
    cost: tuple[float, float]
    missing: tuple[int, ...]
    same_dense: bool
    family: int
    among: str
    measured_by: str = RATIO
    one_scale: bool = False

    @property
    def correction(self) -> str:
        """Over what p was corrected, in words; "" where there is no p."""
        return f"Holm over the {counted(self.family, 'contrast')} of this {self.among}" if self.family else ""


def compare(first: Selection, second: Selection) -> Comparison | None:
    """The contrasts of two selections, corrected over its tasks; None if they have no ratio and seed in common.

    Raises:
        UserError: they have no task in common.
    """
    found = compare_all([(first, second)], "comparison")
    return found[0] if found else None


def compare_all(pairs: Sequence[tuple[Selection, Selection]], among: str = "report") -> list[Comparison]:
    """The contrasts of all pairs of selections, corrected as one family.

    Args:
        pairs: to compare; those without a ratio and seed in common are left out.
        among: what the pairs make up together, in words.

    Raises:
        UserError: a pair has no task in common.
    """
    found = [one for first, second in pairs if (one := _uncorrected(first, second)) is not None]
    p_values = [contrast.p for one in found for contrast in one.contrasts]
    adjusted = iter(holm(p_values))
    family = int(np.count_nonzero(~np.isnan(p_values)))
    return [
        dataclasses.replace(
            one,
            contrasts=tuple(dataclasses.replace(contrast, p_holm=next(adjusted)) for contrast in one.contrasts),
            family=family,
            among=among,
        )
        for one in found
    ]


def _uncorrected(first: Selection, second: Selection) -> Comparison | None:
    tasks = _common_tasks(first, second)
    column = amount_column(first.rows, second.rows)
    ratios = sorted({*first.rows[column].dropna()} & {*second.rows[column].dropna()})
    tables = [_by_seed(selection, ratios, column) for selection in (first, second)]
    seeds = sorted(set(tables[0].index) & set(tables[1].index))
    if not seeds:
        return None
    everyone = {*first.rows["seed"], *second.rows["seed"]}
    contrasts = []
    for task in tasks:
        values = (tables[0][task.name] - tables[1][task.name]).loc[seeds].dropna()
        differences = {int(seed): float(value) for seed, value in values.items()}
        mean, low, high = interval(values)
        contrasts.append(Contrast(task.name, task.title, differences, mean, low, high, p_value(values), math.nan))
    return Comparison(
        names=(first.name, second.name),
        ratios=tuple(ratios),
        seeds=tuple(map(int, seeds)),
        contrasts=tuple(contrasts),
        cost=(_cost(first, ratios, column, seeds), _cost(second, ratios, column, seeds)),
        missing=tuple(map(int, sorted(everyone - set(seeds)))),
        same_dense=_same_dense(first, second, [task.column for task in tasks]),
        family=0,
        among="",
        measured_by=column,
        one_scale=several_models(first.table),
    )


def _common_tasks(first: Selection, second: Selection) -> list[Task]:
    """The tasks for which the same measure stands in both."""
    other = second.problem.primary
    found = [task for task in first.problem.tasks if other.get(task.name) == task.column]
    if not found:
        raise UserError(
            f"{first.name} and {second.name} have no task in common: {', '.join(first.problem.primary.values())} "
            f"against {', '.join(other.values())}"
        )
    return found


def _by_seed(selection: Selection, ratios: list[float], column: str) -> pd.DataFrame:
    """Mean quality over the ratios for every seed that has them all; repeats are averaged first."""
    values = normalised(selection.table, selection.problem).loc[selection.rows.index]
    keyed = values.groupby([selection.rows["seed"], selection.rows[column]]).mean()
    keyed = keyed[keyed.index.get_level_values(column).isin(ratios)]
    sums = keyed.groupby(level="seed")
    complete = sums.size() == len(ratios)
    return sums.agg(lambda column: column.mean(skipna=False))[complete]


def _cost(selection: Selection, ratios: list[float], column: str, seeds: list[float]) -> float:
    """Mean share of the dense model's MACs."""
    rows = selection.rows[selection.rows[column].isin(ratios) & selection.rows["seed"].isin(seeds)]
    return float(remaining(selection.table, "macs").loc[rows.index].mean())


def _same_dense(first: Selection, second: Selection, columns: list[str]) -> bool:
    """Whether the dense rows of the seeds that two selections share have the same figures."""
    a, b = (_dense_rows(selection).set_index("seed").reindex(columns=columns) for selection in (first, second))
    a, b = a.align(b, join="inner")
    return bool(np.allclose(a.to_numpy(float), b.to_numpy(float), atol=1e-9, equal_nan=True))


def _dense_rows(selection: Selection) -> pd.DataFrame:
    """The dense models of a selection's own model."""
    dense = selection.table[selection.table["stage"] == "dense"]
    if not several_models(selection.table):
        return dense
    return dense[dense["model"].isin(selection.rows["model"])]


def sentence(contrast: Contrast, names: tuple[str, str]) -> str:
    """What may be said about a task, and no more."""
    a, b = names
    task, seeds = contrast.title, len(contrast.differences)
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
    amount = "more" if contrast.mean > 0 else "less"
    return f"{task}: {a} keeps {amount} quality than {b}: {figures}, {p}, {seeds} seeds."


def heading(comparison: Comparison) -> str:
    """What is compared, how, and over how many contrasts p is corrected."""
    a, b = comparison.names
    ratios = ", ".join(amount_text(ratio, comparison.measured_by).removeprefix("to ") for ratio in comparison.ratios)
    best = "best dense model" if comparison.one_scale else "dense model"
    text = f"{a} minus {b}: normalised quality (0: trivial predictor, 1: {best}), mean over {ratios}, paired by "
    return text + "; ".join(filter(None, ["seed", "95% t intervals", comparison.correction])) + "."


def cautions(comparison: Comparison) -> list[str]:
    """What stands in the way of a fair comparison."""
    lines = []
    first, second = comparison.cost
    if abs(first - second) > 0.02:
        shares = f"{first:.0%} and {second:.0%}"
        whose = "of the MACs of the largest dense model" if comparison.one_scale else "of the dense MACs"
        lines.append(f"Mind: they do not cost the same: {shares} {whose} remain on average.")
    if not comparison.same_dense and not comparison.one_scale:
        lines.append("Mind: the dense models of the same seed differ, so that pairing removes little noise.")
    if comparison.missing:
        seeds = ", ".join(map(str, comparison.missing))
        lines.append(f"Left out, as a side lacks them at one of the ratios: seed {seeds}.")
    return lines


def text(comparison: Comparison) -> list[str]:
    """The comparison in sentences: what was compared, a line a task, and what stands in the way."""
    lines = [sentence(contrast, comparison.names) for contrast in comparison.contrasts]
    return [heading(comparison), *(f"  {line}" for line in lines + cautions(comparison))]
