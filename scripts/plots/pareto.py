"""Which runs no other run beats: at least as cheap and at least as good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from curves import (
    COSTS,
    PRIMARY,
    TASK_NAMES,
    counted,
    final,
    is_random,
    labels,
    left,
    names,
    normalised,
    percent,
    whole,
)
from plots.drawn import Drawn, Options, Skip
from reading import Sweep
from style import GREY, INK, entry, legend, looks, pyplot, titled


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
    points = settings_means(sweep.table, options.cost)
    if len(points) < 3:
        raise Skip("a front wants at least two finished settings beside the dense model")
    panels = {"all": "All tasks, their mean"} | {task: TASK_NAMES[task].capitalize() for task in PRIMARY}
    panels = {key: text for key, text in panels.items() if points[key].notna().sum() >= 3}
    if not panels:
        raise Skip("no quality can be normalised: a floor and a dense row of the same seed are needed")
    curves = names(sweep.table)
    baseline = next((name for name in curves if is_random(name)), None)
    shown = looks(curves, baseline)
    figure, axes = pyplot.subplot_mosaic(_places(list(panels)), figsize=(10.5, 5.2), layout="constrained")
    for key, text in panels.items():
        _panel(axes[key], points, key, shown, annotate=key == "all")
        axes[key].set_title(text)
        axes[key].set_xlabel(f"{COSTS[options.cost].name} left")
        axes[key].set_ylabel("normalised quality")
    handles = [entry(name, color=k.colour, marker=k.marker, linestyle="") for name, k in shown.items()]
    handles.append(entry("dense", color=INK, marker="*", markersize=9, linestyle=""))
    handles.append(entry("Pareto front", color=INK, linewidth=1.1))
    handles.append(entry("hollow: beaten by another", color=GREY, marker="o", markerfacecolor="white", linestyle=""))
    legend(figure, handles)
    titled(figure, f"{sweep.name}: runs that no other run beats")
    seeds = int(final(sweep.table)["seed"].nunique())
    caption = (
        "Filled points are on the Pareto front: no other setting costs less and is as good. Quality is normalised "
        f"(1: dense, 0: trivial predictor) and a mean over {counted(seeds, 'seed')}; points close to the front may "
        "well change places with other seeds."
    )
    return [Drawn("pareto", "Pareto fronts", caption, figure)]


def settings_means(table: pd.DataFrame, cost: str) -> pd.DataFrame:
    """A row a setting (curve and ratio) and one for the dense model: its share of the cost and its qualities.

    Returns:
        columns curve, asked, left, `all` (mean of the tasks), and one for every task. The dense row has no curve.
    """
    ends = whole(final(table))
    quality = normalised(table)
    rows = pd.concat(
        [
            ends[["asked"]].assign(curve=labels(ends, ends), left=left(table, cost).loc[ends.index]),
            table.loc[table["stage"] == "dense", ["asked"]].assign(curve="", left=1.0, asked=0.0),
        ]
    )
    rows = rows.join(quality).dropna(subset=["left"])
    rows["all"] = rows[list(quality)].mean(axis=1, skipna=False)
    return rows.groupby(["curve", "asked"], as_index=False, sort=False).mean()


def _places(keys: list[str]) -> list[Any]:
    """The overall panel is large, at the left; the tasks are beside it, two by two."""
    if keys[0] != "all" or len(keys) < 3:
        return [keys]
    tasks = keys[1:] + ["."] * (len(keys[1:]) % 2)
    half = len(tasks) // 2
    return [["all", "all", *tasks[:half]], ["all", "all", *tasks[half:]]]


def _panel(axis: Axes, points: pd.DataFrame, key: str, shown: dict, annotate: bool) -> None:
    points = points.dropna(subset=[key])
    best = front(points["left"], points[key])
    line = points[best].sort_values("left")
    axis.step(line["left"], line[key], where="post", color=INK, linewidth=1.1, zorder=2)
    for (_, row), chosen in zip(points.iterrows(), best, strict=True):
        if not row["curve"]:
            axis.plot(row["left"], row[key], "*", color=INK, markersize=9, zorder=5, clip_on=False)
            continue
        look = shown[row["curve"]]
        axis.plot(
            row["left"],
            row[key],
            look.marker,
            color=look.colour,
            zorder=4 if chosen else 3,
            clip_on=False,
            markerfacecolor=look.colour if chosen else "white",
        )
        if annotate and chosen:
            axis.annotate(
                percent(row["asked"]),
                (row["left"], row[key]),
                xytext=(0, 6),
                fontsize=8,
                color=INK,
                textcoords="offset points",
                ha="center",
            )
    axis.set_xlim(max(1.0, points["left"].max()) + 0.03, 0)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
