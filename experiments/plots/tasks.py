"""All tasks on one axis: which one is the first to suffer."""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.plots.elements.bands import band, band_text, draw_band
from experiments.plots.elements.drawn import Drawn, Options, Skip
from experiments.plots.elements.style import (
    GREY,
    INK,
    TITLE_LETTERS,
    entry,
    first_in_row,
    legend,
    panel_grid,
    share_axis,
    task_looks,
    titled,
    wrapped,
)
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import (
    COSTS,
    labels,
    left_text,
    names,
    normalised,
    remaining,
    several_models,
    whole_network_ends,
)

_DENSE: dict[str, Any] = {"color": INK, "linestyle": (0, (1, 1.5)), "linewidth": 1.1}
_FLOOR: dict[str, Any] = {"color": GREY, "linestyle": (0, (5, 3)), "linewidth": 1.1}


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Normalised quality of all tasks against cost, a panel a curve.

    Raises:
        Skip: there is no finished run, no floor or no dense model.
    """
    ends = whole_network_ends(sweep.table)
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    quality = normalised(sweep.table, sweep.problem).loc[ends.index]
    share = remaining(sweep.table, options.cost).loc[ends.index]
    if quality.isna().all(axis=None):
        raise Skip("no quality can be normalised: a floor and a dense row of the same seed are needed")
    if share.isna().all():
        raise Skip(f"the table has no {COSTS[options.cost].column_of(sweep.table)} of the pruned runs")
    best = "the best of the dense models" if several_models(sweep.table) else "the dense model"
    caption = (
        f"All tasks on one scale, after fine-tuning: 1 is {best}, 0 what a trivial predictor gets. The line "
        f"that falls first is the task that pays first. {band_text(int(ends['seed'].nunique()), options)}"
    )
    draw = functools.partial(_figure, sweep, options, ends, quality, share)
    return [Drawn("tasks", "All tasks on one axis", caption, draw)]


def _figure(sweep: Sweep, options: Options, ends: pd.DataFrame, quality: pd.DataFrame, share: pd.Series) -> Figure:
    curves, curve_of = names(sweep.table), labels(ends, ends)
    shown = {task: look for task, look in task_looks(sweep.problem).items() if quality[task].notna().any()}
    figure, axes = panel_grid(len(curves), (2.6, 2.5), (0.4, 1.1), sharex=True, sharey=True)
    for name, axis in zip(curves, axes, strict=True):
        axis.axhline(1, zorder=1, **_DENSE)
        axis.axhline(0, zorder=1, **_FLOOR)
        rows = ends[curve_of == name]
        for task, look in shown.items():
            draw_band(axis, band(rows, share, quality[task], options.band), look)
        axis.set_title(wrapped(name, TITLE_LETTERS))
        share_axis(axis, share.max(), wrapped(left_text(sweep.table, options.cost)))
        if first_in_row(axis):
            axis.set_ylabel("normalised quality")
    titles = sweep.problem.titles
    handles = [entry(titles[task], color=look.colour, marker=look.marker) for task, look in shown.items()]
    dense = "best dense = 1" if several_models(sweep.table) else "dense = 1"
    handles += [entry(dense, **_DENSE), entry("floor = 0", **_FLOOR)]
    legend(figure, handles)
    titled(figure, f"{sweep.name}: which task suffers first")
    return figure
