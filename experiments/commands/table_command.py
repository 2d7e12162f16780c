"""Make a sweep's table anew from its runs: taskprune table results/shapes

Writes runs.csv, runs.parquet, columns.md and, where classes are measured, classes.csv. The order of rows and columns
does not depend on when, or by how many processes, the runs were done.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro


def main(arguments: Sequence[str]) -> int:
    def command(folder: Annotated[Path, tyro.conf.Positional]) -> Path:
        """Make a sweep's table anew.

        Args:
            folder: of the sweep; has runs/.
        """
        return folder

    folder = tyro.cli(command, args=arguments, prog="taskprune table", description=__doc__)
    from experiments.table.table_files import write_table

    print(write_table(folder))
    return 0
