"""The comparison of two criteria of a sweep, or of two sweeps, for each task: what may be said, and no more.

The contrast of a task is the mean normalised quality over the ratios that both have, paired by seed, with a t
interval, and Holm's correction over the tasks. With fewer than four seeds nothing is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from experiments.errors import UserError
from experiments.table.amounts import MACS, amount_column, amount_text
from experiments.table.claims.margins import margins_question, within_margins
from experiments.table.claims.verdicts import Comparison, Contrast, compare, text
from experiments.table.selection import Selection, select
from experiments.table.sweep_data import read


@dataclass(frozen=True)
class Verdict:
    """What may be said about two selections of runs; prints as sentences.

    Attributes:
        comparison: the figures.
        lines: the sentences.
    """

    comparison: Comparison
    lines: tuple[str, ...]

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """A task each."""
        return self.comparison.contrasts

    @property
    def text(self) -> str:
        """All sentences, a line each."""
        return "\n".join(self.lines)

    def __str__(self) -> str:
        return self.text


def sides(places: tuple[str, ...], only: str = "") -> tuple[Selection, Selection]:
    """The two selections that a command's arguments name.

    Args:
        places: a sweep's folder and two selectors, or two folders.
        only: selector for the runs of two folders.

    Raises:
        UserError: they are neither, or stand for no run or for runs that differ.
    """
    if len(places) == 3:
        sweep = read(places[0])
        return select(sweep, places[1]), select(sweep, places[2])
    if len(places) == 2:
        first, second = (Path(place) for place in places)
        names = (first.resolve().name, second.resolve().name)
        if names[0] == names[1]:
            names = (str(first), str(second))
        sweeps = read(first), read(second)
        return select(sweeps[0], only, names[0]), select(sweeps[1], only, names[1])
    raise UserError("give a sweep's folder and two selectors (results/shapes l1 random), or two sweeps' folders")


def verdict(first: Selection, second: Selection) -> Verdict:
    """All that may be said about two selections.

    Raises:
        UserError: they have no task, or no ratio and seed, in common.
    """
    found = compare(first, second)
    if found is None:
        raise UserError(
            f"{first.name} and {second.name} have no seed with all of their common ratios: "
            f"{_grid(first)} against {_grid(second)}"
        )
    lines = text(found)
    margins = within_margins(first) + within_margins(second)
    if margins:
        lines.append(f"{margins_question(first.problem)} (one-sided 95% t bound, each on its own)")
        lines += [f"  {line}" for line in margins]
    return Verdict(found, tuple(lines))


def report(first: Selection, second: Selection) -> list[str]:
    """All that may be said about two selections, line by line.

    Raises:
        UserError: they have no task, or no ratio and seed, in common.
    """
    return list(verdict(first, second).lines)


def _grid(selection: Selection) -> str:
    column = amount_column(selection.rows)
    values = sorted(selection.rows[column].dropna().unique())
    if column == MACS:
        amounts = ", ".join(amount_text(value, column) for value in values)
    else:
        amounts = f"ratios {', '.join(f'{value:g}' for value in values)}"
    seeds = ", ".join(f"{seed:g}" for seed in sorted(selection.rows["seed"].unique()))
    return f"{amounts}, seeds {seeds}"
