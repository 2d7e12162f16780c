"""Weights before pruning and at the end of a run."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from experiments.declaration import Declaration
from experiments.plots.elements.drawn import Drawn, Options, Skip, one_amount, one_seed
from experiments.plots.elements.style import GREY, axes_grid, entry, legend, part_colours, parts_of, titled
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import labels, names, whole_network_ends


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Histograms of the kernels by part, a row a curve, at one ratio of one seed.

    Raises:
        Skip: no run at the ratio has a histograms.json.
    """
    ends = whole_network_ends(sweep.table)
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    amount = one_amount(ends, options)
    seed = one_seed(amount.of(ends), options)
    rows = amount.of(ends[ends["seed"] == seed]).assign(curve=labels(ends, ends))
    found = {}
    for name in names(sweep.table):
        runs = rows.loc[rows["curve"] == name, "run"]
        counts = sweep.json(runs.iloc[0], "histograms.json") if len(runs) else None
        if counts is not None:
            found[name] = counts
    if not found:
        raise Skip(f"no run {amount.at} of seed {seed} has a histograms.json")
    caption = (
        f"How many kernel weights have which value, by part, {amount.pruned}, seed {seed}: the line is before "
        "pruning, the area the network as it is at the end, on a logarithmic scale. Weights that are zero are left "
        "out; the outermost bins hold all that lie beyond."
    )
    title = f"{sweep.name}: weights before and after, {amount.pruned}, seed {seed}"
    draw = functools.partial(_figure, title, found, sweep.problem)
    return [Drawn("weights", "Weights before and after", caption, draw)]


def _figure(title: str, found: dict[str, dict[str, Any]], problem: Declaration) -> Figure:
    sums = {name: {w: by_part(counts[w], problem) for w in ("before", "after")} for name, counts in found.items()}
    layers = [layer for counts in found.values() for layer in counts["before"]]
    parts = list(dict.fromkeys(parts_of(layers, problem).values()))
    colours = part_colours(parts, problem)
    size = (max(5.0, 2.1 * len(parts) + 0.6), 1.75 * len(sums) + 1.0)
    figure, axes = axes_grid(len(sums), len(parts), size, sharex="col", sharey=True)
    for line, (name, both) in zip(axes, sums.items(), strict=True):
        edges = np.asarray(found[name]["edges"], float)
        for axis, part in zip(line, parts, strict=True):
            _panel(axis, edges, both["before"].get(part), both["after"].get(part), colours[part])
        line[0].set_ylabel(f"{name}\nweights in a bin")
    for axis, part in zip(axes[0], parts, strict=True):
        axis.set_title(part)
    for axis, part in zip(axes[-1], parts, strict=True):
        axis.set_xlabel("weight")
        spread = [(found[n]["edges"], one.get(part)) for n, both in sums.items() for one in both.values()]
        axis.set_xlim(*_range(spread))
    axes[0, 0].set_yscale("log")
    axes[0, 0].yaxis.set_minor_locator(NullLocator())
    handles = [
        entry("before pruning", color=GREY, linewidth=1.2),
        Rectangle((0, 0), 1, 1, color=GREY, alpha=0.45, label="at the end of the run (coloured by part)"),
    ]
    legend(figure, handles)
    titled(figure, title)
    return figure


def by_part(counts: Mapping[str, Sequence[int]], problem: Declaration) -> dict[str, np.ndarray]:
    """Counts of layers summed by part of the network."""
    sums: dict[str, np.ndarray] = {}
    for layer, part in parts_of(counts, problem).items():
        sums[part] = sums.get(part, 0) + np.asarray(counts[layer], float)
    return sums


def _panel(axis: Axes, edges: np.ndarray, before, after, colour: str) -> None:
    if after is not None:
        axis.stairs(after, edges, fill=True, color=colour, alpha=0.45, zorder=2)
    if before is not None:
        axis.stairs(before, edges, color=GREY, linewidth=1.2, zorder=3)


def _range(found: list[tuple[list[float], np.ndarray | None]]) -> tuple[float, float]:
    """Limits that show all but one in ten thousand weights."""
    lows, highs = [], []
    for edges, counts in found:
        if counts is None or not np.sum(counts):
            continue
        share = np.cumsum(counts) / np.sum(counts)
        lows.append(edges[int(np.searchsorted(share, 1e-4))])
        highs.append(edges[min(len(edges) - 1, int(np.searchsorted(share, 1 - 1e-4)) + 1)])
    return (min(lows), max(highs)) if lows else (-1.0, 1.0)
