"""The tables of a study of loss phases, from phases.csv alone: its dense models, what cuts leave, and contrasts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.studies.pages.stage_pictures import STAGES
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


def stage_table(table: pd.DataFrame, heads: Mapping[str, str], stage: str) -> str:
    """Every measure at one stage: a row an arm and share, beside the unpruned model of that stage.

    Args:
        table: see `read_phases`.
        heads: column -> title.
        stage: of the pruned networks.
    """
    rows = []
    for arm in dict.fromkeys(table["arm"]):
        mine = table[table["arm"] == arm]
        rows.append([arm, "none", *(_mean(mine.loc[mine["stage"] == STAGES[stage][0], column], 2) for column in heads)])
        for share, part in mine[mine["stage"] == stage].groupby("asked"):
            rows.append([arm, f"{share:.0%}", *(_mean(part[column], 2) for column in heads)])
    return _markdown(["arm", "gone", *heads.values()], rows)


def contrast_table(table: pd.DataFrame, columns: Mapping[str, str], stages: Iterable[str]) -> str:
    """Trained in turn against trained jointly, within each seed: a row a stage and measure, a column a pair of arms.

    What is compared is the share that an arm keeps of its own unpruned model, from a floor of 0, a mean over the
    shares of filters that are gone. `<task>_quality` is such a share already, from the trivial predictor on; how far a
    dead task is below it says nothing, and counts as 0. Differences are paired by seed, with a t interval; below
    stands the smallest p, after Holm's correction over the whole table.

    Args:
        table: see `read_phases`.
        columns: column -> title.
        stages: of the pruned networks.
    """
    arms = set(table["arm"])
    pairs = [pair for pair in itertools.product(ALTERNATED, CONTROLS) if set(pair) <= arms]
    rows, values, seeds = [], [], dict.fromkeys(pairs, 0)
    for stage, (column, title) in itertools.product(stages, columns.items()):
        kept = _kept(table, stage, column)
        row = [STAGES[stage][1], title]
        for pair in pairs:
            differences = (kept[pair[0]] - kept[pair[1]]).dropna()
            mean, low, high = interval(differences)
            row.append(f"{mean:+.2f}" + ("" if math.isnan(low) else f" [{low:+.2f}, {high:+.2f}]"))
            values.append(p_value(differences))
            seeds[pair] = len(differences)
        rows.append(row)
    titles = [f"{one} - {other} ({seeds[one, other]} seeds)" for one, other in pairs]
    smallest = np.nanmin([*holm(values), 1.0])
    below = f"\nSmallest p of the {len(values)} differences, after Holm's correction: {smallest:.2f}.\n"
    return _markdown(["", "share kept of", *titles], rows) + below


def _kept(table: pd.DataFrame, stage: str, column: str) -> pd.DataFrame:
    """Shares kept, means over what is gone: a row a seed, a column an arm."""
    pruned = table[table["stage"] == stage]
    found = pruned[column].clip(lower=0).groupby([pruned["seed"], pruned["arm"]]).mean()
    if not column.endswith("_quality"):
        reference = "dense_control" if stage == "finetuned" else "dense"  # as for qualities
        found = found / table[table["stage"] == reference].set_index(["seed", "arm"])[column]
    return found.unstack()


def _mean(values: pd.Series, digits: int = 3, sign: str = "") -> str:
    if not values.notna().any():
        return ""
    spread = f" ± {values.std():.{digits}f}" if values.count() > 1 else ""
    return f"{values.mean():{sign}.{digits}f}{spread}"


def _markdown(heads: list[str], rows: list[list[str]]) -> str:
    return as_markdown(pd.DataFrame(rows, columns=heads)) + "\n"
