"""The runs that a selector such as `l1` or `criterion=l1,scope=global` stands for, to be compared."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import pandas as pd

from experiments.declaration import Declaration
from experiments.errors import UserError
from experiments.table.amounts import dense_of_that_size
from experiments.table.sweep_data import SETTINGS, Sweep
from experiments.table.task_curves import (
    final_rows,
    labels,
    names,
    several_models,
    whole_network,
    whole_network_ends,
)


class NoRuns(UserError):
    """A selector stands for nothing that has been run."""


@dataclass(frozen=True)
class Selection:
    """Runs to compare.

    Attributes:
        name: in sentences.
        table: of the sweep that they belong to, with its reference rows.
        rows: one a run; runs of the same seed and ratio differ in nothing but their repeat.
        problem: of that sweep.
    """

    name: str
    table: pd.DataFrame
    rows: pd.DataFrame
    problem: Declaration


def select(sweep: Sweep, selector: str, name: str | None = None) -> Selection:
    """The runs that a selector stands for.

    Args:
        sweep: to choose from.
        selector: a criterion, or `column=value` pairs with commas between them; the columns are those of SETTINGS
            and `stage`. Whole-network runs at their end, unless `part` or `stage` says otherwise. "" is all runs. A
            model's name may stand for `model=` it, and stage=dense_control for dense models.
        name: in sentences; the selector if None.

    Raises:
        NoRuns: a value that no run has, or no run of these.
        UserError: a column that is not there, or runs that differ in more than seed, ratio and repeat.
    """
    wanted, table = _parse(selector), sweep.table
    if wanted.get("criterion") in set(table["model"].dropna()):
        wanted["model"] = wanted.pop("criterion")
    rows = table[table["criterion"].notna() ^ (wanted.get("stage") in ("dense", "dense_control"))]
    if "stage" in wanted:
        rows = rows[rows["stage"] == _known(rows, "stage", wanted.pop("stage"))]
    else:
        rows = final_rows(table)
    if "part" not in wanted:
        rows = whole_network(rows)
    for column, value in wanted.items():
        rows = rows[rows[column].astype(str) == _known(rows, column, value)]
    if rows.empty:
        raise NoRuns(f"{selector or 'the sweep'!s}: no finished run; look at the columns of runs.csv")
    varying = {column: rows[column].dropna().unique() for column in SETTINGS if rows[column].nunique(dropna=False) > 1}
    if varying:
        found = "; ".join(f"{column}: {', '.join(map(str, values))}" for column, values in varying.items())
        pick = ",".join([*([selector] if selector else []), *(f"{c}={v[0]}" for c, v in varying.items())])
        raise UserError(f"{selector or 'the sweep'!r} stands for runs that differ ({found}); say which, as in {pick}")
    return Selection(name or selector, table, rows, sweep.problem)


def every_curve(sweep: Sweep) -> list[Selection]:
    """Every curve of a sweep's plots as a selection, the random baseline last.

    Where models are compared, the dense models follow whose MACs others came down to.
    """
    ends = whole_network_ends(sweep.table)
    curves = labels(ends, ends)
    found = [Selection(name, sweep.table, ends[curves == name], sweep.problem) for name in names(sweep.table)]
    if not several_models(sweep.table):
        return found
    dense = dense_of_that_size(sweep.table)
    return found + [
        Selection(f"{model}, dense", sweep.table, dense[dense["model"] == model], sweep.problem)
        for model in dict.fromkeys(dense["model"])
    ]


def _parse(selector: str) -> dict[str, str]:
    wanted = {}
    for number, word in enumerate(filter(None, selector.split(","))):
        column, equals, value = word.partition("=")
        if not equals and number == 0:
            column, value = "criterion", word
        elif not equals or column not in (*SETTINGS, "stage"):
            known = ", ".join((*SETTINGS, "stage"))
            raise UserError(f"{word!r} in {selector!r}: expected column=value, with a column of {known}")
        wanted[column] = value
    return wanted


def _known(rows: pd.DataFrame, column: str, value: str) -> str:
    known = sorted(rows[column].dropna().astype(str).unique())
    if value not in known:
        near = difflib.get_close_matches(value, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known) or 'none'}"
        raise NoRuns(f"no finished run has {column} = {value!r}: {hint}")
    return value
