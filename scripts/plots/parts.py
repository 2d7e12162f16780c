"""One part of the network pruned at a time: whom it hurts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from curves import PRIMARY, TASK_NAMES, counted, final, labels, normalised, percent
from plots.drawn import Drawn, Options, Skip
from plots.network import in_order
from reading import Sweep
from style import DIVERGING, INK, pyplot, titled

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
    ends = final(alone)
    changes = change(table)
    stages = {"right after pruning": alone[alone["stage"] == "pruned"], "after fine-tuning": ends}
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
            "pruning against the dense model, after fine-tuning against the dense model that had the same extra "
            "training. Under -100 it is worse than the trivial predictor, and the colour stays. "
            f"Means over {counted(int(alone['seed'].nunique()), 'seed')}.",
            _figure(sweep.name, curve, {text: rows[rows["curve"] == curve] for text, rows in named.items()}, changes),
        )
        for curve in curves
    ]


def change(table: pd.DataFrame) -> pd.DataFrame:
    """Each row's normalised quality minus that of its reference of the same seed.

    The table names the reference: the dense model right after pruning, the dense control after fine-tuning.

    Returns:
        the table's index, a column a task.
    """
    quality = normalised(table)
    tops = quality[table["stage"].isin(["dense", "dense_control"])].set_axis(
        table.loc[table["stage"].isin(["dense", "dense_control"]), "run"]
    )
    return quality - tops.reindex(table["reference"]).set_axis(table.index)


def _figure(name: str, curve: str, stages: dict[str, pd.DataFrame], changes: pd.DataFrame):
    found = pd.concat(stages.values())
    ratios = sorted(found["asked"].unique())
    parts = in_order(found["part"])
    size = (2.5 * len(ratios) + 1.7, (0.34 * len(parts) + 0.75) * len(stages) + 0.6)
    figure, axes = pyplot.subplots(
        len(stages), len(ratios), figsize=size, layout="constrained", squeeze=False, sharex=True, sharey=True
    )
    tasks = list(PRIMARY)
    shown = 100 * changes.loc[found.index].to_numpy()
    limit = float(np.clip(np.nanmax(np.abs(shown)), 1.0, _SATURATED))
    for line, (stage, rows) in zip(axes, stages.items(), strict=True):
        means = changes.loc[rows.index].groupby([rows["asked"], rows["part"]]).mean()
        for axis, ratio in zip(line, ratios, strict=True):
            values = means.reindex([(ratio, part) for part in parts])[tasks].to_numpy() * 100
            image = _map(axis, values, limit)
            axis.set_xticks(range(len(tasks)), [TASK_NAMES[task] for task in tasks], rotation=30, ha="right")
            axis.set_yticks(range(len(parts)), parts)
            axis.set_title(f"{percent(ratio)}, {stage}", fontsize=9, fontweight="normal")
    beyond = "min" if np.nanmin(shown) < -limit else "neither"
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=25, pad=0.02, extend=beyond)
    bar.set_label("change, hundredths", color=INK)
    bar.outline.set_visible(False)
    titled(figure, f"{name}: one part pruned at a time ({curve})")
    return figure


def _map(axis: Axes, values: np.ndarray, limit: float) -> AxesImage:
    image = axis.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:+.0f}".replace("-", "−") if abs(value) >= 0.5 else "0"
        axis.text(
            column, row, text, ha="center", va="center", fontsize=8, color="white" if abs(value) > 0.6 * limit else INK
        )
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return image
