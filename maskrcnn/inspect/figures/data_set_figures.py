"""Figures of a whole data set: precision and recall, confusion of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from maskrcnn.inspect.confusion import Confusion
from maskrcnn.inspect.data_set_views import PrecisionRecall
from maskrcnn.inspect.figures import canvas

_DASHES = ((0.5, "-"), (0.75, (0, (4, 1.5))))


@canvas.styled
def precision_curves(curves: PrecisionRecall) -> Figure:
    """Precision over recall of each class, at IoU 0.5 and 0.75; AP is the mean height at IoU 0.5 to 0.95."""
    figure, axis = canvas.chart(height=3.7)
    handles = []
    for label, name in enumerate(curves.class_names, start=1):
        own = curves.precision[:, :, label - 1]
        if (own < 0).all():
            continue
        colour = canvas.class_colour(label, curves.class_names)
        # With more classes than colours, a marker tells those of one colour apart.
        mark: Any = {} if label <= len(canvas.COLOURS) else {"marker": "o", "markevery": 10, "markersize": 3.5}
        for iou, dash in _DASHES:
            at = int(np.argmin(np.abs(curves.ious - iou)))
            thick = 1.5 if iou == 0.5 else 1.0
            axis.plot(curves.recall, own[at], color=colour, linestyle=dash, linewidth=thick, **mark)
        handles.append(canvas.entry(f"{name}  AP {own.mean():.2f}", color=colour, linewidth=3, **mark))
    axis.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.02, 1.03))
    handles += [canvas.entry(f"IoU {iou:g}", color=canvas.GREY, linestyle=dash) for iou, dash in _DASHES]
    canvas.legend(figure, handles, 2)
    return figure


@canvas.styled
def confusion_matrix(found: Confusion) -> Figure:
    """How often each class is taken for each, as shares of the true class; below each number the boxes' mean IoU."""
    counts = found.counts
    size = len(counts)
    names = [*found.class_names]
    figure = Figure(figsize=(max(canvas.WIDTH, 0.62 * size + 1.6), max(2.6, 0.46 * size + 1.2)), layout="constrained")
    axis = figure.subplots()
    order = [*range(1, size), 0]  # nothing comes last
    shown = counts[np.ix_(order, order)]
    shares = shown / np.maximum(shown.sum(axis=1, keepdims=True), 1)
    shares[-1] = shown[-1] / max(1, shown.sum(axis=0).max())
    axis.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axis.set_xticks(range(size), [*names, "missed"], rotation=30, ha="right")
    axis.set_yticks(range(size), [*names, "nothing there"])
    axis.set(xlabel="found as", ylabel="truth")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    overlap = found.iou[np.ix_(order, order)]
    for y, x in np.argwhere(shown > 0):
        colour = "white" if shares[y, x] > 0.55 else canvas.INK
        mean = "" if np.isnan(overlap[y, x]) else f"\nIoU {overlap[y, x]:.2f}"
        axis.text(x, y, f"{shown[y, x]}{mean}", ha="center", va="center", fontsize=7.5, color=colour, linespacing=1.1)
    return figure
