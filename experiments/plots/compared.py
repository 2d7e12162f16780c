"""Models side by side: every measure against the MACs that are left, a line a model, from dense to pruned."""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from experiments.plots.elements.bands import band, band_text
from experiments.plots.elements.drawn import Drawn, Options, Skip
from experiments.plots.elements.style import (
    GREY,
    INK,
    TITLE_LETTERS,
    Look,
    capital,
    direction,
    entry,
    legend,
    looks,
    panel_grid,
    titled,
    wrapped,
)
from experiments.settings.quantities import MACS_UNITS
from experiments.table.amounts import MACS
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import labels, names, several_models, whole_network_ends

_FLOOR: dict[str, Any] = {"color": GREY, "linestyle": (0, (5, 3)), "linewidth": 1.1}
_TARGET: dict[str, Any] = {"color": GREY, "linestyle": (0, (1, 1.5)), "linewidth": 1.0}


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """A panel a measure that stands in summaries; nothing where the sweep compares no models.

    Raises:
        Skip: no pruned run is finished.
    """
    if not several_models(sweep.table):
        return []
    ends = whole_network_ends(sweep.table)
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    heads = sweep.problem.heads
    heads = {column: heads[column] for column in heads if column in ends and ends[column].notna().any()}
    text = (
        "Each measure against the MACs that are left, larger networks at the left. A line begins with the dense model, "
        "a star, which had the same extra training as the pruned ones, the points behind it. Dotted: MACs that models "
        "were to come down to, where they are compared. Dashed: a trivial predictor, where it is near. "
        + band_text(int(ends["seed"].nunique()), options)
    )
    return [Drawn("models", "Models at equal MACs", text, functools.partial(_figure, sweep, options, ends, heads))]


def _figure(sweep: Sweep, options: Options, ends: pd.DataFrame, heads: dict[str, str]) -> Figure:
    table, curve_of, shown = sweep.table, labels(ends, ends), looks(names(sweep.table))
    floors = table[table["stage"] == "floor"]
    targets = sorted(table[MACS].dropna().unique())
    figure, axes = panel_grid(len(heads), (2.75, 2.6), (0.3, 0.6), sharex=True, beside=3)
    for axis, (column, head) in zip(axes, heads.items(), strict=True):
        for target in targets:
            axis.axvline(target, zorder=1, **_TARGET)
        for name, look in shown.items():
            _line(axis, ends[curve_of == name], table, column, look, options)
        low, high = axis.get_ylim()
        floor = floors[column].mean() if column in floors else float("nan")
        if low - 0.5 * (high - low) < floor < high:  # a far one would flatten what the plot is there for
            axis.axhline(floor, zorder=1, **_FLOOR)
        _macs_axis(axis, table)
        axis.set_title(wrapped(capital(head), TITLE_LETTERS))
        measure = sweep.problem.measures[column]
        axis.set_ylabel(wrapped(measure.axis + direction(measure)))
    handles = [entry(name, color=look.colour, marker=look.marker) for name, look in shown.items()]
    handles.append(entry("dense", color=INK, linestyle="", marker="*", markersize=9))
    handles.append(entry("to be left", **_TARGET))
    handles.append(entry("floor (no model)", **_FLOOR))
    legend(figure, handles)
    titled(figure, f"{sweep.name}: models at equal MACs")
    return figure


def _line(
    axis: Axes, rows: pd.DataFrame, table: pd.DataFrame, column: str, look: Look, options: Options
) -> None:
    """One curve, from its dense model on."""
    tops = table[table["run"].isin(rows["reference"])]
    points = band(rows, rows["effective_macs"], rows[column], options.band)
    start = tops["effective_macs"].mean(), tops[column].mean()
    axis.plot([start[0], *points["x"]], [start[1], *points["mean"]], color=look.colour, zorder=3)
    axis.plot(points["x"], points["mean"], look.marker, color=look.colour, zorder=4, clip_on=False)
    axis.plot(*start, "*", color=look.colour, markersize=10, zorder=5, clip_on=False)
    known = points.dropna(subset=["low", "high"])
    axis.vlines(known["x"], known["low"], known["high"], color=look.colour, linewidth=1, alpha=0.6)


def _macs_axis(axis: Axes, table: pd.DataFrame) -> None:
    """MACs on a logarithmic axis, from the largest model at the left to the smallest at the right."""
    macs = table["effective_macs"].dropna()
    size, unit = next((size, unit) for size, unit in MACS_UNITS if size <= macs.max() or size == 1)
    low, high = 0.85 * macs.min(), 1.15 * macs.max()
    axis.set_xscale("log")
    axis.set_xlim(high, low)
    places = [step * 10**power for power in range(2, 14) for step in (1, 2, 3, 6)]
    axis.set_xticks([place for place in places if low < place < high])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / size:g}"))
    axis.set_xlabel(unit)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_tick_params(labelbottom=True)
