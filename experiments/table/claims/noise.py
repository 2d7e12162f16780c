"""How much figures differ by chance, from a noise pilot: a sweep of one setting with several seeds and repeats."""

from __future__ import annotations

import math

import pandas as pd
from scipy import stats

from experiments.errors import UserError
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import final_rows

SEEDS = (3, 5)


def noise(sweep: Sweep) -> pd.DataFrame:
    """The spreads of a pilot.

    Args:
        sweep: of one setting: several seeds, and several fine-tunings of one seed.

    Returns:
        a row a measure that stands in summaries: the standard deviation of the `dense` models over seeds, of one
        fine-tuning `repeated`, and of the `cost` of pruning against the dense control of the same seed (NaN for a
        single value); `seen_by_3`, `seen_by_5`: the smallest mean cost that so many seeds tell from none (two-sided t
        at 95 %).

    Raises:
        UserError: it holds several settings, or no finished run.
    """
    table = sweep.table
    ends = final_rows(table)
    settings = ends[["criterion", "asked", "part", "schedule", "scope"]].drop_duplicates()
    if len(settings) != 1:
        raise UserError(f"a noise pilot has one setting of pruning; this sweep has {len(settings)}")
    columns = [column for column in sweep.problem.heads if column in table]
    first = ends.groupby("seed").first(numeric_only=True)
    repeated = ends[ends["seed"] == ends["seed"].mode().iloc[0]]
    control = table[table["stage"] == "dense_control"].set_index("seed")
    found = {}
    for column in columns:
        spread = (first[column] - control[column]).std(ddof=1)
        found[column] = {
            "dense": table.loc[table["stage"] == "dense", column].std(ddof=1),
            "repeated": repeated[column].std(ddof=1),
            "cost": spread,
            **{f"seen_by_{n}": stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n) for n in SEEDS},
        }
    return pd.DataFrame.from_dict(found, orient="index")
