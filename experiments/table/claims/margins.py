"""Whether pruned networks stay within the margins that a problem declares, of the dense control of the same seed."""

from __future__ import annotations

import math

import numpy as np

from experiments.declaration import Declaration
from experiments.table.amounts import amount_column, amount_text
from experiments.table.claims.statistics import FEWEST_SEEDS, upper_bound
from experiments.table.selection import Selection
from experiments.table.task_curves import counted


def margins_question(problem: Declaration) -> str:
    """The question that `within_margins` answers, with every margin: "Within 0.01 (box AP, mask AP) of ...?"."""
    titles: dict[float, list[str]] = {}
    for column, margin in problem.margins.items():
        titles.setdefault(margin, []).append(_title(problem, column))
    margins = ", ".join(f"{margin:g} ({', '.join(measures)})" for margin, measures in titles.items())
    return f"Within {margins} of the dense control of the same seed?"


def within_margins(selection: Selection) -> list[str]:
    """Whether fine-tuned networks lose less than the margins against the dense control, a line a ratio.

    They do where the one-sided 95% t bound of the loss, paired by seed, is under the margin; each bound is on its
    own. A loss is how much worse the measure is, whichever way is better.
    """
    problem = selection.problem
    tuned = selection.rows[selection.rows["stage"].isin(["finetuned", "removed"])]
    lines = []
    column_of_amounts = amount_column(tuned)
    for amount, rows in tuned.groupby(column_of_amounts):
        by_seed, losses = rows.groupby("seed"), {}
        for column in problem.margins:
            if f"delta_{column}" in rows:
                worse = 1 if problem.measures[column].higher_is_better is False else -1
                losses[column] = worse * by_seed[f"delta_{column}"].mean().dropna().to_numpy()
        losses = {column: values for column, values in losses.items() if len(values)}
        if losses:
            seeds = " and ".join(dict.fromkeys(counted(len(values), "seed") for values in losses.values()))
            found = "; ".join(_answer(problem, column, values) for column, values in losses.items())
            lines.append(f"{selection.name}, {amount_text(amount, column_of_amounts)}, {seeds}: {found}.")
    return lines


def _answer(problem: Declaration, column: str, losses: np.ndarray) -> str:
    title, margin = _title(problem, column), problem.margins[column]
    digits = max(0, 1 - math.floor(math.log10(margin))) if margin > 0 else 3  # a tenth of the margin is seen
    loss = f"loss {losses.mean():.{digits}f}"
    if len(losses) < FEWEST_SEEDS:
        return f"{title} {loss}, too few seeds for a claim"
    bound = upper_bound(losses)
    return f"{title} {'yes' if bound < margin else 'not shown'} ({loss}, at most {bound:.{digits}f})"


def _title(problem: Declaration, column: str) -> str:
    measure = problem.measures[column]
    return measure.title or measure.axis
