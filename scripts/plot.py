"""Draw the tradeoff plots of a sweep's table, as PNG and SVG: plot.py results/shapes"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

import boot  # noqa: F401
from command import UserError, guarded
from style import save
from tradeoff import END_TO_END, ISOLATED, tradeoff


def draw(folder: Path) -> list[Path]:
    """Draw every plot of `folder/runs.csv` into the folder.

    Returns:
        the files' paths.

    Raises:
        UserError: there is no such table, or it has no pruned run.
    """
    path = folder / "runs.csv"
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table ({error}); scripts/sweep.py writes it") from None
    if "stage" not in table or not table["stage"].isin(["pruned", "finetuned"]).any():
        raise UserError(f"{path} has no pruned run yet: let scripts/sweep.py go on")
    name = folder.resolve().name
    return [
        *save(tradeoff(table, ISOLATED, f"{name}: each task on its own"), folder, "tradeoff"),
        *save(tradeoff(table, END_TO_END, f"{name}: detection end to end"), folder, "tradeoff_end_to_end"),
    ]


def main() -> int:
    def command(folder: Annotated[Path, tyro.conf.Positional]) -> list[Path]:
        """Draw a sweep's plots.

        Args:
            folder: of the sweep; has runs.csv.
        """
        return draw(folder)

    for path in tyro.cli(command, description=__doc__):
        print(path)
    return 0


if __name__ == "__main__":
    guarded(main)
