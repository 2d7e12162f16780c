"""Does the drop right after pruning foretell the drop after fine-tuning?"""

from __future__ import annotations

import functools
import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from experiments.declaration import Declaration
from experiments.plots.elements.drawn import Drawn, Options, Skip
from experiments.plots.elements.style import (
    GREY,
    INK,
    TITLE_LETTERS,
    Look,
    axes_grid,
    capital,
    entry,
    legend,
    lines_and_columns,
    looks,
    titled,
    wrapped,
)
from experiments.table.amounts import amount_column
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import change, final_rows, labels, names, whole_network

_STAGES = {"pruned": "right after pruning", "recalibrated": "after recalibration"}


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Early against final drop of every run, a panel a task, with their rank correlation.

    Raises:
        Skip: fewer than three runs have both.
    """
    table, every = sweep.table, list(sweep.problem.titles)
    table = table[~table["run"].isin(set(table["run"]) - set(whole_network(table)["run"]))]
    early = {stage: pairs(table, sweep.problem, stage) for stage in _STAGES}
    early = {stage: rows for stage, rows in early.items() if any(len(points_of(rows, task)) >= 3 for task in every)}
    tasks = [task for task in every if all(len(points_of(rows, task)) >= 3 for rows in early.values())]
    if not early or not tasks:
        raise Skip("fewer than three runs have a row right after pruning and one after fine-tuning")
    caption = (
        "A point is a run. Across: the change of the task's normalised quality right after pruning; up: after "
        "fine-tuning. Spearman's rank correlation near 1 means that the early figure ranks runs as the final one "
        "does. Much of it comes from the ratios alone, which order the runs in both: the figure within a ratio "
        "says whether the early drop tells methods and seeds apart."
    )
    draw = functools.partial(_figure, sweep, table, early, tasks)
    return [Drawn("prediction", "Early against final drop", caption, draw)]


def _figure(sweep: Sweep, table: pd.DataFrame, early: dict[str, pd.DataFrame], tasks: list[str]) -> Figure:
    ends = final_rows(table)
    curve_of, styled, amounts = labels(ends, ends), looks(names(table)), ends[amount_column(ends)]
    lines, columns = lines_and_columns(len(tasks))
    size = (max(4.6, 2.55 * columns + 0.3), 2.75 * lines * len(early) + 0.6)
    figure, axes = axes_grid(lines * len(early), columns, size)
    for (stage, rows), block in zip(early.items(), axes.reshape(len(early), -1), strict=True):
        for number, axis in enumerate(block):
            axis.set_visible(number < len(tasks))
            if number < len(tasks):
                points = points_of(rows, tasks[number])
                _panel(axis, points, curve_of.loc[points.index], amounts.loc[points.index], styled)
                axis.set_title(wrapped(capital(sweep.problem.titles[tasks[number]]), TITLE_LETTERS))
                axis.set_xlabel(f"change {_STAGES[stage]}")
            if number % columns == 0:
                axis.set_ylabel("change after fine-tuning")
    handles = [
        entry(name, color=k.colour, marker=k.marker, markerfacecolor="none", linestyle="") for name, k in styled.items()
    ]
    handles.append(entry("no recovery", color=GREY, linewidth=0.9, linestyle=(0, (1, 1.5))))
    legend(figure, handles)
    titled(figure, f"{sweep.name}: does the early drop foretell the final one?")
    return figure


def _panel(axis: Axes, points: pd.DataFrame, curve_of: pd.Series, ratios: pd.Series, styled: dict[str, Look]) -> None:
    for name, look in styled.items():
        part = points[curve_of == name]
        axis.plot(part["early"], part["final"], look.marker, color=look.colour, markerfacecolor="none", markersize=4)
    low = min(0.0, points.min(axis=None))
    axis.plot([low, 0], [low, 0], color=GREY, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    lowest = points["final"].min()
    axis.set_ylim(bottom=lowest - 0.3 * (max(0.0, points["final"].max()) - lowest))
    text: dict[str, Any] = {"fontsize": 8, "color": INK, "va": "bottom", "ha": "right", "transform": axis.transAxes}
    white = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1}
    axis.text(0.98, 0.03, correlation_text(points, ratios), bbox=white, **text)


def points_of(rows: pd.DataFrame, task: str) -> pd.DataFrame:
    """The two changes of a task, of the runs that have both."""
    return pd.DataFrame({"early": rows[f"early_{task}"], "final": rows[f"final_{task}"]}).dropna()


def pairs(table: pd.DataFrame, problem: Declaration, stage: str) -> pd.DataFrame:
    """The change of every task at an early stage and at the end of the same run.

    Returns:
        index: of the final rows; columns early_<task> and final_<task>; runs that have both.
    """
    changes, ends = change(table, problem), final_rows(table)
    ends = ends[ends["stage"].isin(["finetuned", "removed"])]
    rows = table[(table["stage"] == stage) & table["run"].isin(ends["run"])].drop_duplicates("run", keep="last")
    ends = ends[ends["run"].isin(rows["run"])]
    early = changes.loc[rows.index].set_axis(rows["run"]).loc[ends["run"]].set_axis(ends.index)
    found = pd.concat([early.add_prefix("early_"), changes.loc[ends.index].add_prefix("final_")], axis=1)
    return found.dropna(how="all")


def correlation(points: pd.DataFrame) -> float:
    """Spearman's rank correlation of two columns; NaN of fewer than three rows, or where one does not vary."""
    if len(points) < 3 or points.nunique().min() < 2:
        return math.nan
    return float(stats.spearmanr(points.iloc[:, 0], points.iloc[:, 1]).statistic)


def correlation_within(points: pd.DataFrame, ratios: pd.Series) -> float:
    """Mean of the rank correlations among the runs of one ratio, weighted by their number; NaN if there is none."""
    found = [(correlation(part), len(part)) for _, part in points.groupby(ratios)]
    found = [(rho, count) for rho, count in found if not math.isnan(rho)]
    total = sum(count for _, count in found)
    return sum(rho * count for rho, count in found) / total if total else math.nan


def correlation_text(points: pd.DataFrame, ratios: pd.Series) -> str:
    """Both rank correlations in words; none is made up where there are too few different values."""
    overall, within = correlation(points), correlation_within(points, ratios)
    lines = [f"{len(points)} runs"]
    if not math.isnan(overall):
        lines.append(f"rank correlation {overall:.2f}")
    if not math.isnan(within) and ratios.nunique() > 1:
        lines.append(f"within a ratio {within:.2f}")
    return "\n".join(lines)
