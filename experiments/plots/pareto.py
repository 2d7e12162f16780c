"""Which runs no other run beats: at least as cheap and at least as good."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.declaration import Declaration
from experiments.plots.elements.drawn import Drawn, Options, Skip
from experiments.plots.elements.style import (
    GREY,
    INK,
    TITLE_LETTERS,
    Look,
    capital,
    entry,
    legend,
    lines_and_columns,
    looks,
    share_axis,
    titled,
    wrapped,
)
from experiments.table.amounts import MACS, RATIO, amount_column, amount_text
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import (
    counted,
    final_rows,
    labels,
    left_text,
    names,
    normalised,
    remaining,
    several_models,
    whole_network_ends,
)


def front(costs: Sequence[float], qualities: Sequence[float]) -> np.ndarray:
    """The Pareto set.

    Args:
        costs: (N,), less is better.
        qualities: (N,), more is better; a point with a NaN is not in the set and beats none.

    Returns:
        bool (N,): no other point is at least as good in both and better in one. Equal points are all in it.
    """
    cost, quality = np.asarray(costs, float), np.asarray(qualities, float)
    as_good = (cost[:, None] <= cost) & (quality[:, None] >= quality)
    better = (cost[:, None] < cost) | (quality[:, None] > quality)
    return ~(as_good & better).any(axis=0) & ~np.isnan(cost) & ~np.isnan(quality)


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Every setting's mean over seeds with the Pareto front, for each task and for their mean.

    Raises:
        Skip: there are fewer than two settings, or nothing to normalise by.
    """
    points = settings_means(sweep.table, sweep.problem, options.cost)
    if len(points) < 3:
        raise Skip("a front wants at least two finished settings beside the dense model")
    titles = sweep.problem.titles
    panels = {"all": "All tasks, their mean"} if len(titles) > 1 else {}
    panels |= {task: capital(title) for task, title in titles.items()}
    panels = {key: text for key, text in panels.items() if points[key].notna().sum() >= 3}
    if not panels:
        raise Skip("no quality can be normalised: a floor and a dense row of the same seed are needed")
    seeds = int(final_rows(sweep.table)["seed"].nunique())
    best = "the best dense model" if several_models(sweep.table) else "dense"
    caption = (
        "Filled points are on the Pareto front: no other setting costs less and is as good. Quality is normalised "
        f"(1: {best}, 0: trivial predictor) and a mean over {counted(seeds, 'seed')}; points close to the front may "
        "well change places with other seeds."
    )
    return [Drawn("pareto", "Pareto fronts", caption, functools.partial(_figure, sweep, options, points, panels))]


def settings_means(table: pd.DataFrame, problem: Declaration, cost: str) -> pd.DataFrame:
    """A row a setting (curve and ratio) and one for the dense model: what remains of the cost, and its qualities.

    Returns:
        columns curve, model, asked, macs_asked, remaining, `all` (mean of the tasks), and one for every task. Dense
        rows, one a model, have no curve.
    """
    ends = whole_network_ends(table)
    quality = normalised(table, problem)
    share = remaining(table, cost)
    rows = pd.concat(
        [
            ends[[RATIO, MACS, "model"]].assign(curve=labels(ends, ends)),
            table.loc[table["stage"] == "dense", [RATIO, MACS, "model"]].assign(curve="", asked=0.0),
        ]
    )
    rows = rows.assign(model=rows["model"].fillna(""), remaining=share.loc[rows.index])
    if not several_models(table):
        rows.loc[rows["curve"] == "", "remaining"] = 1.0  # of a latency too, which dense rows do not have
    rows = rows.join(quality.assign(all=quality.mean(axis=1, skipna=False))).dropna(subset=["remaining"])
    return rows.groupby(["curve", "model", "asked"], as_index=False, sort=False).mean()


def _figure(sweep: Sweep, options: Options, points: pd.DataFrame, panels: dict[str, str]) -> Figure:
    shown, places = looks(names(sweep.table)), _places(list(panels))
    large = places[0].count("all") > 1
    size = (max(4.6, 2.6 * len(places[0]) + 0.1), 5.2 if large else 2.6 * len(places) + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplot_mosaic(places)
    x_label = wrapped(left_text(sweep.table, options.cost))
    for key, text in panels.items():
        _panel(axes[key], points, key, shown, annotate=key == "all")
        axes[key].set_title(wrapped(text, TITLE_LETTERS))
        share_axis(axes[key], points.loc[points[key].notna(), "remaining"].max(), x_label)
        axes[key].set_ylabel("normalised quality")
    handles = [entry(name, color=k.colour, marker=k.marker, linestyle="") for name, k in shown.items()]
    handles.append(entry("dense", color=INK, marker="*", markersize=9, linestyle=""))
    handles.append(entry("Pareto front", color=INK, linewidth=1.1))
    handles.append(entry("hollow: beaten by another", color=GREY, marker="o", markerfacecolor="white", linestyle=""))
    legend(figure, handles)
    titled(figure, f"{sweep.name}: runs that no other run beats")
    return figure


def _places(keys: list[str]) -> list[list[Any]]:
    """The panel of all tasks is large, at the left, the tasks beside it in two rows; else rows of at most four."""
    if keys[0] == "all" and len(keys) > 2:
        tasks = keys[1:] + ["."] * (len(keys[1:]) % 2)
        half = len(tasks) // 2
        return [["all", "all", *tasks[:half]], ["all", "all", *tasks[half:]]]
    lines, columns = lines_and_columns(len(keys))
    filled = keys + ["."] * (lines * columns - len(keys))
    return [filled[first : first + columns] for first in range(0, len(filled), columns)]


def _panel(axis: Axes, points: pd.DataFrame, key: str, shown: dict[str, Look], annotate: bool) -> None:
    pruned = points[(points["curve"] != "") & (points["model"] != "")].drop_duplicates("model")
    dense_colours = {row["model"]: shown[row["curve"]].colour for _, row in pruned.iterrows()}
    points = points.dropna(subset=[key])
    best = front(points["remaining"], points[key])
    line = points[best].sort_values("remaining")
    axis.step(line["remaining"], line[key], where="post", color=INK, linewidth=1.1, zorder=2)
    column = amount_column(points[points["curve"] != ""])
    for (_, row), chosen in zip(points.iterrows(), best, strict=True):
        if not row["curve"]:
            colour = dense_colours.get(row["model"], INK)
            axis.plot(row["remaining"], row[key], "*", color=colour, markersize=9, zorder=5, clip_on=False)
            continue
        look = shown[row["curve"]]
        axis.plot(
            row["remaining"],
            row[key],
            look.marker,
            color=look.colour,
            zorder=4 if chosen else 3,
            clip_on=False,
            markerfacecolor=look.colour if chosen else "white",
        )
        if annotate and chosen:
            axis.annotate(
                amount_text(row[column], column).removeprefix("to "),
                (row["remaining"], row[key]),
                xytext=(0, 6),
                fontsize=8,
                color=INK,
                textcoords="offset points",
                ha="center",
            )
