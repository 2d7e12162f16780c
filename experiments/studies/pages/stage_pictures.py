"""Measures of the arms of a study, stage by stage: right after the cut, with batch norms mended, fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.plots.elements.style import COLOURS, GREY, MARKERS, axes_grid, entry, legend, titled

# Stage of a pruned network -> the unpruned one that has had the same, and what the stage is called.
STAGES = {
    "pruned": ("dense", "right after the cut"),
    "recalibrated": ("dense_recalibrated", "batch norms mended"),
    "finetuned": ("dense_control", "fine-tuned"),
}


def stage_figure(table: pd.DataFrame, panels: Mapping[str, str], title: str, gone: str) -> Figure:
    """A row of panels a stage: each measure over what is gone, from nothing on; a line an arm, a dot a seed.

    Args:
        table: of the study, of one part; a row an arm, seed, stage and share that is asked.
        panels: column -> title.
        title: of the figure.
        gone: what shares are of, for the axis.
    """
    stages = [stage for stage in STAGES if stage in set(table["stage"])]
    arms = list(dict.fromkeys(table["arm"]))
    looks = {arm: (COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]) for n, arm in enumerate(arms)}
    size = (2.3 * len(panels) + 0.4, 1.9 * len(stages) + 0.7)
    figure, axes = axes_grid(len(stages), len(panels), size, sharex=True, sharey="col")
    for row, stage in zip(axes, stages, strict=True):
        reference, text = STAGES[stage]
        for axis, column in zip(row, panels, strict=True):
            for arm, (colour, marker) in looks.items():
                mine = table[(table["arm"] == arm) & table["stage"].isin((stage, reference))]
                _curve(axis, mine.assign(asked=mine["asked"].fillna(0.0)), column, colour, marker)
        row[0].set_ylabel(text)
    for axis, name in zip(axes[0], panels.values(), strict=True):
        axis.set_title(name)
    for axis in axes[-1]:
        axis.set_xlabel(gone)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    handles = [entry(arm, color=colour, marker=marker) for arm, (colour, marker) in looks.items()]
    legend(figure, [*handles, entry("one seed", color=GREY, marker=".", linestyle="none")])
    titled(figure, title)
    return figure


def _curve(axis: Axes, rows: pd.DataFrame, column: str, colour: str, marker: str) -> None:
    means = rows.groupby("asked")[column].mean()
    axis.plot(rows["asked"], rows[column], color=colour, marker=".", markersize=3, linestyle="none", alpha=0.5)
    axis.plot(means.index, means, color=colour, marker=marker, markersize=4, linewidth=1.3)
