"""What each class lost."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.plots.elements.drawn import Drawn, Options, Skip
from experiments.plots.elements.heat_map import heat_map
from experiments.plots.elements.style import INK, axes_grid, titled
from experiments.table.amounts import amount_column, amount_text
from experiments.table.class_table import class_changes, class_means
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import counted, labels, names, whole_network_ends

_MOST = 20  # classes that a figure holds


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Change of every class's measures: a map a measure, a row a curve and ratio.

    Raises:
        Skip: no run kept its classes' measures, or none has a reference that did.
    """
    ends = whole_network_ends(sweep.table)
    changes = class_changes(sweep, ends)
    if changes.empty:
        raise Skip("no run kept measures of single classes, or its reference did not")
    classes = changes.index.get_level_values("class").unique()
    few = f" The {_MOST} classes with the most objects of {len(classes)}." if len(classes) > _MOST else ""
    caption = (
        "Rows are a criterion and how much was pruned; columns are the classes, those with the most objects first. A "
        "cell is the change of the class's own figure against the dense network with the same extra training, in "
        f"hundredths. Means over {counted(int(ends['seed'].nunique()), 'seed')}.{few}"
    )
    return [Drawn("classes", "What each class lost", caption, lambda: _figure(sweep, ends, changes, classes[:_MOST]))]


def _figure(sweep: Sweep, ends: pd.DataFrame, changes: pd.DataFrame, classes: pd.Index) -> Figure:
    column = amount_column(ends)
    ends = ends.assign(curve=labels(ends, ends))
    lines = {
        f"{name}, {amount_text(amount, column)}": rows.index
        for name in names(sweep.table)
        for amount, rows in ends[ends["curve"] == name].groupby(column)
    }
    means = {line: class_means(changes, rows) for line, rows in lines.items()}
    means = {line: table.reindex(classes) for line, table in means.items() if len(table)}
    width = 0.42 * len(classes) + 2.6
    height = 0.24 * len(means) * len(changes.columns) + 0.4 * len(changes.columns) + 1.4
    figure, axes = axes_grid(len(changes.columns), 1, (max(5.2, width), height), sharex=True)
    for (axis,), measure in zip(axes, changes.columns, strict=True):
        values = 100 * np.array([table[measure].to_numpy() for table in means.values()])
        known = np.abs(values[np.isfinite(values)])
        image = heat_map(axis, values, max(1.0, float(known.max())) if known.size else 1.0)
        told = sweep.problem.measures[measure]
        axis.set_title(told.title or told.axis)
        axis.set_yticks(range(len(means)), list(means))
        figure.colorbar(image, ax=axis, aspect=12, pad=0.02).outline.set_visible(False)
    axes[-1][0].set_xticks(range(len(classes)), list(classes), rotation=30, ha="right", color=INK)
    titled(figure, f"{sweep.name}: what each class lost, hundredths")
    return figure
