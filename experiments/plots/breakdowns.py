"""What a loss of quality is made of, dense beside pruned: bars by the kinds that the problem declares."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.declaration import Breakdown
from experiments.plots.elements.drawn import Amount, Drawn, Options, Skip, one_amount
from experiments.plots.elements.style import INK, capital, first_in_row, legend, looks, panel_grid, titled, wrapped
from experiments.table.amounts import dense_of_that_size
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import counted, labels, names, several_models, whole_network_ends


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """A figure for every breakdown of the problem, at one ratio; panels whose columns the table lacks are left out.

    Raises:
        Skip: the problem declares none, the table has no such columns, or there is no finished run at the ratio.
    """
    declared = sweep.problem.breakdowns
    if not declared:
        raise Skip("the problem declares no breakdown of its measures")
    shown = [(breakdown, _panels(sweep.table, breakdown)) for breakdown in declared]
    shown = [(breakdown, panels) for breakdown, panels in shown if panels]
    if not shown:
        columns = [column for one in declared for bars in one.panels.values() for column in bars.values()]
        raise Skip(f"the table lacks the columns {', '.join(columns[:3])}, ...")
    ends = whole_network_ends(sweep.table)
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    amount = one_amount(ends, options)
    seeds = int(ends["seed"].nunique())
    whiskers = f", whiskers from the lowest to the highest of {seeds} seeds" if seeds > 1 else ""
    found = []
    for breakdown, panels in shown:
        caption = (
            f"{capital(amount.pruned)}, after fine-tuning: {breakdown.caption.rstrip('.')}. Bars are means over "
            f"{counted(seeds, 'seed')}{whiskers}."
        )
        draw = functools.partial(_figure, sweep, breakdown, panels, amount)
        found.append(Drawn(breakdown.name, capital(breakdown.title), caption, draw))
    return found


def _panels(table: pd.DataFrame, breakdown: Breakdown) -> dict[str, Mapping[str, str]]:
    return {title: bars for title, bars in breakdown.panels.items() if all(column in table for column in bars.values())}


def _figure(sweep: Sweep, breakdown: Breakdown, panels: dict[str, Mapping[str, str]], amount: Amount) -> Figure:
    table, ends = sweep.table, whole_network_ends(sweep.table)
    curve_of, curves = labels(ends, ends), names(table)
    control = "dense_control" if (table["stage"] == "dense_control").any() else "dense"
    groups = {"dense": table[table["stage"] == control]}
    if several_models(table):  # beside pruned models, the dense one that has as many MACs
        equal = dense_of_that_size(table, amount.value)
        groups = {f"{model}, dense": rows for model, rows in equal.groupby("model")}
    groups |= {name: amount.of(ends[curve_of == name]) for name in curves}
    groups = {name: rows for name, rows in groups.items() if len(rows)}
    styled = looks(curves)
    figure, axes = panel_grid(len(panels), (5.1, 3.3), (0.3, 0.0), beside=2, sharey=True)
    width = 0.8 / len(groups)
    for axis, (title, bars) in zip(axes, panels.items(), strict=True):
        for number, (name, rows) in enumerate(groups.items()):
            values = breakdown.scale * rows[list(bars.values())].groupby(rows["seed"]).mean()
            at = np.arange(len(bars)) + (number - (len(groups) - 1) / 2) * width
            _bars(axis, at, values, 0.88 * width, styled[name].colour if name in styled else "white", name)
        axis.set_title(capital(title))
        axis.set_xticks(range(len(bars)), [wrapped(bar, 14) for bar in bars])
        axis.tick_params(axis="x", length=0)
        axis.grid(axis="x", visible=False)
        if first_in_row(axis):
            axis.set_ylabel(wrapped(breakdown.label))
    handles = axes[0].get_legend_handles_labels()[0]
    if control == "dense_control" and "dense" in groups:
        handles[0].set_label("dense, same extra training")
    legend(figure, handles)
    titled(figure, f"{sweep.name}: {breakdown.title}, {amount.pruned}")
    return figure


def _bars(axis: Axes, at: np.ndarray, values: pd.DataFrame, width: float, colour: str, name: str) -> None:
    mean = values.mean().to_numpy()
    edge = INK if colour == "white" else colour
    axis.bar(at, mean, width, facecolor=colour, edgecolor=edge, linewidth=1, label=name, zorder=2)
    if len(values) > 1:
        spread = np.stack([mean - values.min().to_numpy(), values.max().to_numpy() - mean])
        axis.errorbar(at, mean, spread, fmt="none", ecolor=INK, elinewidth=1, capsize=0, zorder=3)
