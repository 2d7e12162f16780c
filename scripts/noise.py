"""How much figures differ by chance, from a noise pilot: noise.py results/noise_pilot

Prints, for every measure, the standard deviation of the dense models over seeds, of one fine-tuning repeated, and of
what pruning costs against the dense control of the same seed; and the smallest mean cost that so many seeds tell from
none (two-sided t at 95 %).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro
from scipy import stats

import boot  # noqa: F401
from command import UserError, guarded
from curves import PRIMARY, final
from reading import read

MEASURES = (*PRIMARY.values(), "bbox_ap", "mask_ap")
SEEDS = (3, 5)


def noise(table: pd.DataFrame, columns: tuple[str, ...] = MEASURES) -> pd.DataFrame:
    """The spreads of a pilot.

    Args:
        table: of a sweep of one setting: several seeds, and several fine-tunings of one seed.
        columns: measures.

    Returns:
        a row a measure: `dense`, `repeated`, `cost` (standard deviations, NaN for a single value) and `seen_by_3`,
        `seen_by_5`.

    Raises:
        UserError: it holds several settings, or no finished run.
    """
    ends = final(table)
    settings = ends[["criterion", "asked", "part", "schedule", "scope"]].drop_duplicates()
    if len(settings) != 1:
        raise UserError(f"a noise pilot has one setting of pruning; this sweep has {len(settings)}")
    columns = tuple(column for column in columns if column in table)
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


def main() -> int:
    def command(folder: Annotated[Path, tyro.conf.Positional]) -> Path:
        """Show the noise.

        Args:
            folder: of the pilot's sweep.
        """
        return folder

    print(noise(read(tyro.cli(command, description=__doc__)).table).round(4).to_string())
    return 0


if __name__ == "__main__":
    guarded(main)
