"""Compare two criteria of a sweep, or two sweeps, for each task: what may be said, and no more.

  taskprune compare results/shapes l1 random
  taskprune compare results/shapes criterion=l1,scope=global criterion=l1,scope=layer
  taskprune compare results/shapes l1,stage=scratch l1
  taskprune compare results/shapes results/shapes_hard --only l1

The contrast of a task is the mean normalised quality over the ratios that both sides have, paired by seed, with a
t interval, and Holm's correction over the tasks. With fewer than four seeds nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro


def main(arguments: Sequence[str]) -> int:
    def command(places: Annotated[tuple[str, ...], tyro.conf.Positional], only: str = "") -> tuple:
        """Compare.

        Args:
            places: a sweep's folder and two selectors, or two sweeps' folders.
            only: selector for the runs of two folders.
        """
        return places, only

    places, only = tyro.cli(command, args=arguments, prog="taskprune compare", description=__doc__)
    from experiments.table.claims.comparison import report, sides

    print("\n".join(report(*sides(places, only))))
    return 0
