"""Stage 1: the anchors, sorted and filtered, against the truth, and refined."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from maskrcnn.inspect.figures import canvas
from maskrcnn.inspect.picture_stages import FINEST_LEVEL, Stages

MOST_DRAWN = 50  # boxes of a kind: more hide the picture


@canvas.styled
def pyramid(stages: Stages) -> Figure:
    """The anchors of one cell, in the middle of the picture, of each level."""
    figure, axis = canvas.on_picture(stages.image)
    handles = []
    for number, (rows, columns) in enumerate(stages.grids):
        own = stages.anchors[stages.anchor_levels == number + FINEST_LEVEL]
        each = len(own) // (rows * columns)
        cell = (rows // 2) * columns + columns // 2
        canvas.boxes(axis, own[cell * each : (cell + 1) * each], canvas.LEVELS[number], width=1.6)
        text = f"P{number + FINEST_LEVEL}: {rows} x {columns} cells, {len(own):,} anchors"
        handles.append(canvas.entry(text, color=canvas.LEVELS[number]))
    canvas.legend(figure, handles, 1)
    return figure


@canvas.styled
def sorted_scores(stages: Stages) -> Figure:
    """Objectness of each level's anchors, best first, and how many of them go on."""
    figure, axis = canvas.chart(height=3.2)
    kept = np.bincount(stages.anchor_levels[stages.candidates], minlength=FINEST_LEVEL + len(stages.grids))
    for number in range(len(stages.grids)):
        level = number + FINEST_LEVEL
        scores = np.sort(stages.objectness[stages.anchor_levels == level])[::-1]
        ranks, cut = np.arange(1, len(scores) + 1), int(kept[level])
        colour = canvas.LEVELS[number]
        axis.plot(ranks[:cut], scores[:cut], color=colour, label=f"P{level}: {cut:,} of {len(scores):,} go on")
        axis.plot(ranks[max(0, cut - 1) :], scores[max(0, cut - 1) :], color=colour, linewidth=0.9, linestyle=":")
        axis.plot(cut, scores[cut - 1], "o", color=colour, markersize=4)
    axis.set(xscale="log", xlabel="rank on the level", ylabel="objectness", ylim=(-0.03, 1.03))
    canvas.legend(figure, axis.get_legend_handles_labels()[0], 1)
    return figure


@canvas.styled
def best_anchors(stages: Stages, most: int = MOST_DRAWN) -> Figure:
    """The best anchors of all levels, as they lie, coloured by objectness."""
    figure, axis = canvas.on_picture(stages.image)
    best = np.argsort(-stages.objectness, kind="stable")[:most][::-1]
    _scored(figure, axis, stages.anchors[best], stages.objectness[best])
    return figure


@canvas.styled
def matched(stages: Stages, most: int = MOST_DRAWN) -> Figure:
    """Positive, negative and neutral anchors beside the objects; of negatives and neutrals a few, evenly chosen.

    Raises:
        ValueError: the stages have no truth.
    """
    truth = _truth(stages)
    figure, axis = canvas.on_picture(stages.image)
    canvas.truth_boxes(axis, truth.boxes)
    handles = []
    refused, neutral = (0, "negative", canvas.REFUSED, 0.7), (-1, "neutral", canvas.NEUTRAL, 1.0)
    for value, name, colour, width in (refused, neutral, (1, "positive", canvas.CHOSEN, 1.5)):
        rows = np.flatnonzero(truth.anchor_labels == value)
        drawn = rows[np.linspace(0, len(rows) - 1, min(len(rows), most if value == 1 else 25)).astype(int)]
        canvas.boxes(axis, stages.anchors[drawn], colour, width=width, alpha=0.9)
        few = "" if len(drawn) == len(rows) else f", {len(drawn)} drawn"
        handles.append(canvas.entry(f"{len(rows):,} {name}{few}", color=colour))
    canvas.legend(figure, [*handles[::-1], canvas.truth_entry()])
    return figure


@canvas.styled
def refined_positives(stages: Stages, most: int = MOST_DRAWN) -> Figure:
    """Positive anchors, dotted, and where the RPN moves them, solid.

    Raises:
        ValueError: the stages have no truth.
    """
    truth = _truth(stages)
    figure, axis = canvas.on_picture(stages.image)
    rows = np.flatnonzero(truth.anchor_labels == 1)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)]
    canvas.truth_boxes(axis, truth.boxes)
    canvas.boxes(axis, stages.anchors[rows], canvas.CHOSEN, style=(0, (1, 1.6)), width=1.1)
    canvas.boxes(axis, stages.anchor_boxes[rows], canvas.CHOSEN, width=1.4)
    handles = [
        canvas.entry("positive anchor", color=canvas.CHOSEN, linestyle=(0, (1, 1.6))),
        canvas.entry("moved by the RPN", color=canvas.CHOSEN),
        canvas.truth_entry(),
    ]
    canvas.legend(figure, handles)
    return figure


def _truth(stages: Stages):
    if stages.truth is None:
        raise ValueError("these stages have no truth to match anchors with: give `trace` the picture's Sample")
    return stages.truth


def _scored(figure, axis, corners, scores) -> None:
    """Boxes coloured by score, with the scale of the colours; the best ones on top, which come last."""
    import matplotlib

    scale = matplotlib.colormaps[canvas.SCORES]
    canvas.boxes(axis, corners, scale(np.clip(scores, 0, 1)), width=1.2)
    colours = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, 1), scale)
    bar = figure.colorbar(colours, ax=axis, location="bottom", shrink=0.7, aspect=40, pad=0.01)
    bar.set_label("objectness")
    bar.outline.set_visible(False)
