"""A sweep in few lines: each setting's mean and standard deviation over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from experiments.settings.recipe import COMPRESSIONS
from experiments.table.amounts import amount_column, amount_text
from experiments.table.task_curves import (
    STAGE_NAMES,
    labels,
    models_by_size,
    names,
    several_models,
    whole_network,
    whole_network_ends,
)

_REFERENCES = ("floor", "dense", "dense_control")


@dataclass(frozen=True)
class Line:
    """One setting at one stage.

    Attributes:
        name: of its curve; "" for a reference, or its model where models are compared.
        stage: as in the table; the end of a run is "final".
        asked: ratio; NaN for a reference.
        amount: the ratio as text, or the MACs that were to be left; "" for a reference.
        budget: what the ratio is of.
        seeds: how many.
        means, spreads: column -> mean and standard deviation over seeds; a spread of one seed is NaN.
    """

    name: str
    stage: str
    asked: float
    budget: str
    seeds: int
    means: dict[str, float]
    spreads: dict[str, float]
    amount: str = ""

    @property
    def stage_text(self) -> str:
        """What has been done to the network, in words."""
        stage, _, how = self.stage.partition(": ")
        return STAGE_NAMES.get(stage, stage) + (f": {how}" if how else "")


def summary(table: pd.DataFrame, columns: Sequence[str]) -> list[Line]:
    """The lines of a sweep: references, then every curve's ratios, right after pruning and at the end.

    Args:
        table: of a sweep.
        columns: to summarise; those that the table lacks are left out.
    """
    columns = [column for column in columns if column in table]
    lines = []
    for stage in _REFERENCES:
        rows = table[table["stage"] == stage]
        several = rows["retraining"].nunique() > 1
        for model, own in _by_model(rows, table, stage):
            for how, part in own.groupby(own["retraining"].fillna("")):
                lines.append(_line(part, columns, model, f"{stage}: {how}" if several else stage, math.nan))
    lines += _compressed_references(table, columns) + _smaller_inputs(table, columns)
    ends = whole_network_ends(table)
    every = whole_network(table[table["criterion"].notna()])
    scratch = every[every["stage"] == "scratch"]
    pressed = every[every["retraining"] != "scratch"]
    stages = {
        "pruned": _named(every[every["stage"] == "pruned"], ends),
        "final": _named(ends, ends),
        "scratch": _named(scratch, ends.assign(retraining=None)),
        **{stage: _named(pressed[pressed["stage"] == stage], ends) for stage in COMPRESSIONS},
    }
    for name in names(table):
        for ratio in sorted(ends["asked"].dropna().unique()):
            for stage, rows in stages.items():
                rows = rows[(rows["curve"] == name) & (rows["asked"] == ratio)]
                if len(rows):
                    lines.append(_line(rows, columns, name, stage, float(ratio)))
    return lines


def _compressed_references(table: pd.DataFrame, columns: list[str]) -> list[Line]:
    """The dense networks in fewer bits."""
    rows = table[table["stage"].isin(COMPRESSIONS) & table["criterion"].isna()]
    lines = []
    for top in ("dense", "dense_control"):
        runs = table.loc[table["stage"] == top, "run"]
        for stage in COMPRESSIONS:
            part = rows[(rows["stage"] == stage) & rows["run"].isin(runs)]
            if len(part):
                lines.append(_line(part, columns, "", f"{top}: {STAGE_NAMES[stage]}", math.nan))
    return lines


def _smaller_inputs(table: pd.DataFrame, columns: list[str]) -> list[Line]:
    """The dense networks on smaller pictures, the largest first."""
    rows = table[table["stage"] == "smaller_input"]
    return [
        _line(part, columns, model, f"smaller_input: {size:.0f} px", math.nan)
        for model, own in _by_model(rows, table, "smaller_input")
        if len(own)
        for size, part in sorted(own.groupby("input_size"), reverse=True)
    ]


def _by_model(rows: pd.DataFrame, table: pd.DataFrame, stage: str) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each model by its name; all under "" where there is one, or where they do not depend on it."""
    if stage == "floor" or not several_models(table):
        return [("", rows)]
    return [(model, rows[rows["model"] == model]) for model in models_by_size(table)]


def _named(rows: pd.DataFrame, among: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(curve=labels(rows, among))


def _line(rows: pd.DataFrame, columns: list[str], name: str, stage: str, asked: float) -> Line:
    by_seed = rows.groupby("seed")[columns].mean()
    budgets = rows["budget"].dropna()
    budget = str(budgets.iloc[0]) if len(budgets) else "filters"
    means, spreads = by_seed.mean().to_dict(), by_seed.std(ddof=1).to_dict()
    column = amount_column(rows)
    amount = "" if math.isnan(asked) else amount_text(float(rows[column].iloc[0]), column)
    return Line(name, stage, asked, budget, len(by_seed), means, spreads, amount)


def figure(line: Line, column: str, digits: int = 3, scale: float = 1.0, spread: bool = True) -> str:
    """A line's figure as text.

    Args:
        line, column: which.
        digits: after the point.
        scale: what it is multiplied by.
        spread: with the standard deviation, where there is one.

    Returns:
        "0.913 ± 0.004", "0.913", or "" where there is no figure.
    """
    mean, deviation = (scale * values.get(column, math.nan) for values in (line.means, line.spreads))
    if math.isnan(mean):
        return ""
    return f"{mean:.{digits}f}" + (f" ± {deviation:.{digits}f}" if spread and not math.isnan(deviation) else "")
