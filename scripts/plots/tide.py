"""Which kinds of error cost AP, dense beside pruned (TIDE: Bolya et al. 2020)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curves import counted, final, is_random, labels, names, percent, whole
from maskrcnn.evaluation.measures import TIDE_ERRORS
from plots.drawn import Drawn, Options, Skip, one_ratio
from reading import Sweep
from style import INK, legend, looks, pyplot, titled

_TASKS = {"bbox": "Boxes", "mask": "Masks"}


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """AP50 lost to each kind of error, at one ratio, by box and by mask.

    Raises:
        Skip: the table has no such columns, or no finished run at the ratio.
    """
    table = sweep.table
    tasks = [task for task in _TASKS if all(f"{task}_tide_{error}" in table for error in TIDE_ERRORS)]
    if not tasks:
        raise Skip("the table has no columns bbox_tide_* or mask_tide_*")
    ends = whole(final(table))
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    ratio = one_ratio(ends, options)
    curve = labels(ends, ends)
    control = "dense_control" if (table["stage"] == "dense_control").any() else "dense"
    groups = {"dense": table[table["stage"] == control]}
    groups |= {name: ends[(curve == name) & (ends["asked"] == ratio)] for name in names(table)}
    groups = {name: rows for name, rows in groups.items() if len(rows)}
    styled = looks(names(table), next((name for name in names(table) if is_random(name)), None))
    figure, axes = pyplot.subplots(
        1, len(tasks), figsize=(5.1 * len(tasks) + 0.3, 3.3), sharey=True, layout="constrained", squeeze=False
    )
    width = 0.8 / len(groups)
    for axis, task in zip(axes[0], tasks, strict=True):
        for number, (name, rows) in enumerate(groups.items()):
            values = 100 * rows[[f"{task}_tide_{error}" for error in TIDE_ERRORS]].groupby(rows["seed"]).mean()
            at = np.arange(len(TIDE_ERRORS)) + (number - (len(groups) - 1) / 2) * width
            _bars(axis, at, values, 0.88 * width, "white" if name == "dense" else styled[name].colour, name)
        axis.set_title(_TASKS[task])
        axis.set_xticks(range(len(TIDE_ERRORS)), TIDE_ERRORS)
        axis.tick_params(axis="x", length=0)
        axis.grid(axis="x", visible=False)
    axes[0, 0].set_ylabel("AP50 lost, points")
    handles = axes[0, 0].get_legend_handles_labels()[0]
    if control == "dense_control":
        handles[0].set_label("dense, same extra training")
    legend(figure, handles)
    titled(figure, f"{sweep.name}: where AP goes, {percent(ratio)} pruned")
    seeds = int(ends["seed"].nunique())
    whiskers = f", whiskers from the lowest to the highest of {seeds} seeds" if seeds > 1 else ""
    kinds = "; ".join(f"{name}: {text}" for name, text in TIDE_ERRORS.items())
    caption = (
        f"Points of AP50 that would come back if this kind of error were mended, at {percent(ratio)}, after "
        f"fine-tuning. Bars are means over {counted(seeds, 'seed')}{whiskers}. {kinds}."
    )
    return [Drawn("tide", "Kinds of error", caption, figure)]


def _bars(axis, at: np.ndarray, values: pd.DataFrame, width: float, colour: str, name: str) -> None:
    mean = values.mean().to_numpy()
    edge = INK if colour == "white" else colour
    axis.bar(at, mean, width, facecolor=colour, edgecolor=edge, linewidth=1, label=name, zorder=2)
    if len(values) > 1:
        spread = np.stack([mean - values.min().to_numpy(), values.max().to_numpy() - mean])
        axis.errorbar(at, mean, spread, fmt="none", ecolor=INK, elinewidth=1, capsize=0, zorder=3)
