"""One part of the network pruned at a time: whom it hurts."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.plots.elements.drawn import Drawn, Options, Skip
from experiments.plots.elements.heat_map import heat_map
from experiments.plots.elements.style import INK, axes_grid, titled
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import change, counted, final_rows, labels, percent

_SATURATED = 100.0  # hundredths: what is worse than the trivial predictor has one colour


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Change of every task's quality when one part is pruned: a row of maps a stage, a map a ratio, a figure a curve.

    Raises:
        Skip: no run prunes a single part, or there is nothing to compare it with.
    """
    table = sweep.table
    alone = table[table["part"].notna() & (table["part"] != "all") & table["criterion"].notna()]
    if alone.empty:
        raise Skip("every run prunes the whole network; list parts in grid.part to prune one at a time")
    ways = set(alone["retraining"].dropna()) - {"none"}
    if len(ways) < 2:  # runs that end before fine-tuning, and those that go on, are one curve
        alone = alone.assign(retraining=alone["retraining"].replace("none", next(iter(ways), "none")))
    ends = final_rows(alone)
    changes = change(table, sweep.problem)
    stages = {
        "right after pruning": alone[alone["stage"] == "pruned"],
        "batch norms mended": alone[alone["stage"] == "recalibrated"],
        "after fine-tuning": ends[ends["stage"].isin(["finetuned", "removed"])],
    }
    stages = {text: rows for text, rows in stages.items() if changes.loc[rows.index].notna().any(axis=None)}
    if not stages:
        raise Skip("runs of single parts have no floor, dense or reference row to compare with")
    named = {text: rows.assign(curve=labels(rows, ends if len(ends) else alone)) for text, rows in stages.items()}
    curves = list(dict.fromkeys(pd.concat(named.values())["curve"]))
    return [
        Drawn(
            "parts" if len(curves) == 1 else f"parts_{curve.replace(', ', '_')}",
            "One part pruned at a time" + (f": {curve}" if len(curves) > 1 else ""),
            "Rows are the part that was pruned, alone; columns are the tasks. A cell is the change of the task's "
            "normalised quality, in hundredths of the way from the trivial predictor to the dense model: right after "
            "pruning, and with batch norms mended, against the dense model; after fine-tuning against the dense model "
            "that had the same extra training. Under -100 it is worse than the trivial predictor; the colour stays. "
            f"Means over {counted(int(alone['seed'].nunique()), 'seed')}.",
            functools.partial(
                _figure, sweep, curve, {text: rows[rows["curve"] == curve] for text, rows in named.items()}, changes
            ),
        )
        for curve in curves
    ]


def _figure(sweep: Sweep, curve: str, stages: dict[str, pd.DataFrame], changes: pd.DataFrame) -> Figure:
    found = pd.concat(stages.values())
    ratios = sorted(found["asked"].unique())
    parts = sweep.problem.parts_in_order(found["part"])
    titles = sweep.problem.titles
    width = max(2.5, 0.48 * len(titles) + 0.5)
    size = (max(4.6, width * len(ratios) + 1.7), (0.34 * len(parts) + 0.75) * len(stages) + 0.6)
    figure, axes = axes_grid(len(stages), len(ratios), size, sharex=True, sharey=True)
    shown = 100 * changes.loc[found.index].to_numpy()
    limit = float(np.clip(np.nanmax(np.abs(shown)), 1.0, _SATURATED))
    for line, (stage, rows) in zip(axes, stages.items(), strict=True):
        means = changes.loc[rows.index].groupby([rows["asked"], rows["part"]]).mean()
        for axis, ratio in zip(line, ratios, strict=True):
            values = means.reindex([(ratio, part) for part in parts])[list(titles)].to_numpy() * 100
            image = heat_map(axis, values, limit)
            axis.set_xticks(range(len(titles)), titles.values(), rotation=30, ha="right")
            axis.set_yticks(range(len(parts)), parts)
            axis.set_title(f"{percent(ratio)}, {stage}", fontsize=9, fontweight="normal")
    beyond = "min" if np.nanmin(shown) < -limit else "neither"
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=25, pad=0.02, extend=beyond)
    bar.set_label("change, hundredths", color=INK)
    bar.outline.set_visible(False)
    titled(figure, f"{sweep.name}: one part pruned at a time ({curve})")
    return figure
