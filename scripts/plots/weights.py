"""Weights before pruning and at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from curves import final, labels, names, percent, whole
from plots.drawn import Drawn, Options, Skip, one_ratio, one_seed
from plots.network import in_order, part_colour, part_of
from reading import Sweep
from style import GREY, entry, legend, pyplot, titled


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Histograms of the kernels by part, a row a curve, at one ratio of one seed.

    Raises:
        Skip: no run at the ratio has a histograms.json.
    """
    ends = whole(final(sweep.table))
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    ratio = one_ratio(ends, options)
    seed = one_seed(ends[ends["asked"] == ratio], options)
    rows = ends[(ends["asked"] == ratio) & (ends["seed"] == seed)].assign(curve=labels(ends, ends))
    found = {}
    for name in names(sweep.table):
        runs = rows.loc[rows["curve"] == name, "run"]
        counts = sweep.json(runs.iloc[0], "histograms.json") if len(runs) else None
        if counts is not None:
            found[name] = counts
    if not found:
        raise Skip(f"no run at {percent(ratio)} of seed {seed} has a histograms.json")
    sums = {name: {w: by_part(counts[w]) for w in ("before", "after")} for name, counts in found.items()}
    parts = in_order(part for both in sums.values() for part in both["before"])
    size = (2.1 * len(parts) + 0.6, 1.75 * len(sums) + 1.0)
    figure, axes = pyplot.subplots(
        len(sums), len(parts), figsize=size, layout="constrained", squeeze=False, sharex="col", sharey=True
    )
    for line, (name, both) in zip(axes, sums.items(), strict=True):
        edges = np.asarray(found[name]["edges"], float)
        for axis, part in zip(line, parts, strict=True):
            _panel(axis, edges, both["before"].get(part), both["after"].get(part), part_colour(part, parts))
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
        pyplot.Rectangle((0, 0), 1, 1, color=GREY, alpha=0.45, label="at the end of the run (coloured by part)"),
    ]
    legend(figure, handles)
    titled(figure, f"{sweep.name}: weights before and after, {percent(ratio)} pruned, seed {seed}")
    caption = (
        f"How many kernel weights have which value, by part, at {percent(ratio)} of seed {seed}: the line is before "
        "pruning, the area the network as it is at the end, on a logarithmic scale. Weights that are zero are left "
        "out; the outermost bins hold all that lie beyond."
    )
    return [Drawn("weights", "Weights before and after", caption, figure)]


def by_part(counts: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Counts of layers summed by part; a layer is named `<part>/<layer>`."""
    sums: dict[str, np.ndarray] = {}
    for layer, values in counts.items():
        part = part_of(layer)
        sums[part] = sums.get(part, 0) + np.asarray(values, float)
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
