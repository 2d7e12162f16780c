"""The tables of a study of loss phases, from phases.csv alone: its dense models, what cuts leave, and contrasts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from experiments.studies.stage_pictures import STAGES
from experiments.studies.study_rows import as_markdown
from experiments.table.claims.statistics import holm, interval, p_value

ALTERNATED = ("alternated", "in sequence")
CONTROLS = ("joint", "joint, equal updates")


def read_phases(path: Path, part: int = 0) -> pd.DataFrame:
    """The rows of phases.csv of what is not pruned, and of one of the parts that were.

    Args:
        path: of phases.csv.
        part: the place in `grid.part` of the recipe.
    """
    table = pd.read_csv(path)
    if "part" not in table:
        return table
    name = list(dict.fromkeys(table["part"].dropna()))[part]
    return table[table["part"].isna() | (table["part"] == name)]


def dense_table(table: pd.DataFrame, heads: Mapping[str, str], gains: Mapping[str, str]) -> str:
    """The unpruned models: a row an arm.

    Args:
        table: see `read_phases`.
        heads: column -> title.
        gains: column -> title: what the dense control has more, in hundredths.
    """
    rows = []
    for arm in dict.fromkeys(table["arm"]):
        mine = table[table["arm"] == arm].set_index("seed")
        dense, control = (mine[mine["stage"] == stage] for stage in ("dense", "dense_control"))
        gained = [100 * (control[column] - dense[column]) for column in gains]
        rows.append(
            [arm, str(dense["updates"].iloc[0]), *(_mean(dense[column]) for column in heads)]
            + [_mean(gain, 1, "+") for gain in gained]
        )
    return _markdown(["arm", "updates", *heads.values(), *gains.values()], rows)


def cut_table(table: pd.DataFrame, columns: Mapping[str, str], stages: Iterable[str]) -> str:
    """Measures by what is gone: a row a stage, measure and arm, a column a share, the unpruned model first.

    Args:
        table: see `read_phases`.
        columns: column -> title.
        stages: of the pruned networks.
    """
    rows = []
    asked = sorted(table.loc[table["stage"].isin(set(stages)), "asked"].dropna().unique())
    for stage, (column, title), arm in itertools.product(stages, columns.items(), dict.fromkeys(table["arm"])):
        mine = table[table["arm"] == arm]
        whole = mine.loc[mine["stage"] == STAGES[stage][0], column]
        left = [mine.loc[(mine["stage"] == stage) & (mine["asked"] == share), column] for share in asked]
        rows.append([STAGES[stage][1], title, arm, *(_mean(values, 2) for values in (whole, *left))])
    shares = [f"{share:.0%}" for share in asked]
    return _markdown(["", "measure", "arm", "unpruned", *shares], rows)


def seed_table(table: pd.DataFrame, column: str, asked: float, stage: str = "pruned") -> str:
    """One measure at one share, seed by seed, beside the unpruned model's: a row an arm.

    Args:
        table: see `read_phases`.
        column: the measure.
        asked: the share that is gone.
        stage: of the pruned networks.
    """
    rows = []
    seeds = sorted(table["seed"].unique())
    whole, left = table["stage"] == STAGES[stage][0], (table["stage"] == stage) & (table["asked"] == asked)
    for arm in dict.fromkeys(table["arm"]):
        pairs = [
            [table.loc[which & (table["arm"] == arm) & (table["seed"] == seed), column] for which in (whole, left)]
            for seed in seeds
        ]
        rows.append([arm, *(" → ".join(f"{one.iloc[0]:.2f}" for one in pair if len(one)) for pair in pairs)])
    return _markdown(["arm", *(f"seed {seed}" for seed in seeds)], rows)


def contrast_table(table: pd.DataFrame, columns: Mapping[str, str], stages: Iterable[str]) -> str:
    """Trained in turn against trained jointly, within each seed: a row a stage, measure and pair of arms.

    What is compared is the share that an arm keeps of its own unpruned model, from a floor of 0, a mean over the
    shares of filters that are gone. `<task>_quality` is such a share already, from the trivial predictor on; how far a
    dead task is below it says nothing, and counts as 0. Differences are paired by seed, with a t interval; p is Holm's
    over the whole table.

    Args:
        table: see `read_phases`.
        columns: column -> title.
        stages: of the pruned networks.
    """
    rows, values = [], []
    arms = set(table["arm"])
    for stage, (column, title) in itertools.product(stages, columns.items()):
        kept = _kept(table, stage, column)
        for one, other in itertools.product(ALTERNATED, CONTROLS):
            if not {one, other} <= arms:
                continue
            differences = (kept[one] - kept[other]).dropna()
            mean, low, high = interval(differences)
            rows.append([STAGES[stage][1], title, one, other, f"{mean:+.3f}", _limits(low, high)])
            rows[-1].append(" ".join(f"{value:+.2f}" for value in differences))
            values.append(p_value(differences))
    for row, adjusted in zip(rows, holm(values), strict=True):
        row.append("" if math.isnan(adjusted) else f"{adjusted:.2f}")
    heads = ["", "share kept of", "arm", "against", "difference", "95 % interval", "seed by seed", "p (Holm)"]
    return _markdown(heads, rows)


def _kept(table: pd.DataFrame, stage: str, column: str) -> pd.DataFrame:
    """Shares kept, means over what is gone: a row a seed, a column an arm."""
    pruned = table[table["stage"] == stage]
    found = pruned[column].clip(lower=0).groupby([pruned["seed"], pruned["arm"]]).mean()
    if not column.endswith("_quality"):
        reference = "dense_control" if stage == "finetuned" else "dense"  # as for qualities
        found = found / table[table["stage"] == reference].set_index(["seed", "arm"])[column]
    return found.unstack()


def _limits(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{low:+.2f} to {high:+.2f}"


def _mean(values: pd.Series, digits: int = 3, sign: str = "") -> str:
    if not values.notna().any():
        return ""
    spread = f" ± {values.std():.{digits}f}" if values.count() > 1 else ""
    return f"{values.mean():{sign}.{digits}f}{spread}"


def _markdown(heads: list[str], rows: list[list[str]]) -> str:
    return as_markdown(pd.DataFrame(rows, columns=heads)) + "\n"
