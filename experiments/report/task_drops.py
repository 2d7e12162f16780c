"""The section of a report on what each task lost: drops first, then who lost most, what changed, and what it cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from experiments.table.claims.statistics import interval
from experiments.table.hypervolume import REFERENCE, hypervolumes
from experiments.table.summary_measures import VARIANTS
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import labels, names, percent, whole_network_ends

_NOTE = (
    "Drop: normalised quality lost against the dense control with the same extra training (the dense network where "
    "there is none), 1 being all that dense has above the trivial predictor; negative is gained."
)
_BOOTSTRAP = (
    "In braces, the 95% interval of the primary measure's difference, in its own unit, when samples are drawn again (a "
    "bootstrap of 1,000 draws with the networks as they are), averaged over seeds."
)


def task_drops(sweep: Sweep) -> dict[str, Any]:
    """A row a curve and ratio, at its end; nothing where no row has a drop.

    Returns:
        note; head; rows of text; hypervolumes: a line a curve; reference: the point that they are against.
    """
    table = sweep.table
    drops = [f"drop_{task.name}" for task in sweep.tasks]
    ends = whole_network_ends(table)
    if not any(name in ends and ends[name].notna().any() for name in drops):
        return {"note": "", "head": [], "rows": [], "hypervolumes": [], "reference": ""}
    ends = ends.assign(curve=labels(ends, ends))
    columns = _columns(sweep, ends)
    rows = []
    for name in names(table):
        for ratio in sorted(ends["asked"].dropna().unique()):
            part = ends[(ends["curve"] == name) & (ends["asked"] == ratio)]
            if len(part):
                rows.append([f"{name}, {percent(ratio)}", *(cell(part) for cell in columns.values())])
    note = [_NOTE]
    if any(f"delta_{task.column}_low" in ends for task in sweep.tasks):
        note.append(_BOOTSTRAP)
    seeds = ends["seed"].nunique()
    note.append(f"In brackets, 95% t intervals over {seeds} seeds." if seeds > 1 else "One seed: nothing is claimed.")
    note += [f"{title}: {VARIANTS[name]}." for name, title in _TITLES.items() if name in ends]
    return {
        "note": " ".join(note),
        "head": list(columns),
        "rows": rows,
        "hypervolumes": [str(one) for one in hypervolumes(table, sweep.problem)],
        "reference": REFERENCE,
    }


_TITLES = {"delta_mtl": "multi-task Δ, %", "delta_mtl_means": "Δ of means, %", "delta_mtl_sums": "Δ of sums, %"}


def _columns(sweep: Sweep, ends: pd.DataFrame) -> dict[str, Callable[[pd.DataFrame], str]]:
    """Head -> what a cell says of the rows of one curve and ratio."""
    found: dict[str, Callable[[pd.DataFrame], str]] = {}
    for task in sweep.tasks:
        if f"drop_{task.name}" not in ends:  # its dense network is no better than the floor
            continue
        found[f"drop: {task.title}"] = _drop(f"drop_{task.name}", f"delta_{task.column}")
    found["worst task"] = _most(sweep.problem.titles, "worst_task")
    found["its drop"] = _mean("worst_drop", 3)
    for task in sweep.tasks:
        if f"{task.name}_worst_class" in ends:
            measure = next(one.name for one in task.measures if f"{task.name}_worst_{one.name}" in ends)
            found[f"worst class: {task.title}"] = _worst_class(task.name, measure)
    for name, title in _TITLES.items():
        if name in ends:
            found[title] = _mean(name, 1)
    for name in ends:
        if name.startswith("churn_"):
            found[f"churn: {name.removeprefix('churn_').replace('_', ' ')}"] = _mean(name, 3)
    for name, title, digits in (("select_seconds", "choosing, s", 2), ("select_pictures", "pictures seen", 0)):
        if name in ends:
            found[title] = _mean(name, digits)
    return found


def _by_seed(rows: pd.DataFrame, column: str) -> list[float]:
    return pd.to_numeric(rows[column]).groupby(rows["seed"]).mean().dropna().tolist()


def _mean(column: str, digits: int) -> Callable[[pd.DataFrame], str]:
    def cell(rows: pd.DataFrame) -> str:
        values = _by_seed(rows, column)
        return f"{sum(values) / len(values):.{digits}f}" if values else ""

    return cell


def _drop(column: str, delta: str) -> Callable[[pd.DataFrame], str]:
    def cell(rows: pd.DataFrame) -> str:
        mean, low, high = interval(_by_seed(rows, column))
        text = "" if pd.isna(mean) else f"{mean:.3f}" + ("" if pd.isna(low) else f" [{low:.3f}, {high:.3f}]")
        if f"{delta}_low" in rows:
            ends = [_by_seed(rows, f"{delta}_{end}") for end in ("low", "high")]
            if all(ends):
                text += " {" + ", ".join(f"{sum(values) / len(values):.3f}" for values in ends) + "}"
        return text

    return cell


def _most(titles: dict[str, str], column: str) -> Callable[[pd.DataFrame], str]:
    def cell(rows: pd.DataFrame) -> str:
        found = rows[column].dropna()
        if found.empty:
            return ""
        counts = found.value_counts()
        name, count = str(counts.index[0]), int(counts.iloc[0])
        return titles.get(name, name) + (f" ({count} of {len(found)})" if count < len(found) else "")

    return cell


def _worst_class(task: str, measure: str) -> Callable[[pd.DataFrame], str]:
    name, figure = _most({}, f"{task}_worst_class"), _mean(f"{task}_worst_{measure}", 3)
    return lambda rows: f"{name(rows)}: {figure(rows)}"
