"""Compare two criteria of a sweep, or two sweeps, for each task: what may be said, and no more.

  compare.py results/shapes l1 random
  compare.py results/shapes criterion=l1,scope=global criterion=l1,scope=layer
  compare.py results/shapes l1,stage=scratch l1
  compare.py results/shapes results/shapes_hard --only l1

The contrast of a task is the mean normalised quality over the ratios that both sides have, paired by seed, with a
t interval, and Holm's correction over the tasks. With fewer than four seeds nothing is claimed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

import boot  # noqa: F401
from command import UserError, guarded
from reading import read
from selecting import Side, side
from verdicts import compare, text, within_margin


def sides(places: tuple[str, ...], only: str = "") -> tuple[Side, Side]:
    """The two sides that the arguments name.

    Args:
        places: a sweep's folder and two selectors, or two folders.
        only: selector for the runs of two folders.

    Raises:
        UserError: they are neither, or stand for no run or for runs that differ.
    """
    if len(places) == 3:
        table = read(Path(places[0])).table
        return side(table, places[1]), side(table, places[2])
    if len(places) == 2:
        first, second = (Path(place) for place in places)
        names = (first.resolve().name, second.resolve().name)
        if names[0] == names[1]:
            names = (str(first), str(second))
        tables = read(first).table, read(second).table
        return side(tables[0], only, names[0]), side(tables[1], only, names[1])
    raise UserError("give a sweep's folder and two selectors (results/shapes l1 random), or two sweeps' folders")


def report(first: Side, second: Side) -> list[str]:
    """All that may be said about two sides, line by line.

    Raises:
        UserError: they have no ratio and seed in common.
    """
    found = compare(first, second)
    if found is None:
        raise UserError(
            f"{first.name} and {second.name} have no seed with all of their common ratios: "
            f"{_grid(first)} against {_grid(second)}"
        )
    lines = text(found)
    margins = within_margin(first) + within_margin(second)
    if margins:
        lines += ["Within 1 AP of the dense control of the same seed? (one-sided 95% t bound, each on its own)"]
        lines += [f"  {line}" for line in margins]
    return lines


def _grid(one: Side) -> str:
    ratios = ", ".join(f"{ratio:g}" for ratio in sorted(one.rows["asked"].unique()))
    seeds = ", ".join(f"{seed:g}" for seed in sorted(one.rows["seed"].unique()))
    return f"ratios {ratios}, seeds {seeds}"


def main() -> int:
    def command(places: Annotated[tuple[str, ...], tyro.conf.Positional], only: str = "") -> list[str]:
        """Compare.

        Args:
            places: a sweep's folder and two selectors, or two sweeps' folders.
            only: selector for the runs of two folders.
        """
        return report(*sides(places, only))

    print("\n".join(tyro.cli(command, description=__doc__)))
    return 0


if __name__ == "__main__":
    guarded(main)
