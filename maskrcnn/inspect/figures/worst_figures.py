"""The pictures on which a task is done worst, each with what was asked and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from maskrcnn.box_overlap import pairwise_iou
from maskrcnn.evaluation.isolated import PROPOSALS
from maskrcnn.evaluation.probe import BACKGROUND, JITTERED, ImageProbes
from maskrcnn.inspect.figures import canvas
from maskrcnn.inspect.figures.object_figures import nothing
from maskrcnn.regions.pasting import paste_masks

_BESIDE, _DOTTED = 5, (0, (1, 1.6))


@canvas.styled
def worst(task: str, pictures: Sequence[tuple[Any, ImageProbes, Any, float]], class_names: tuple[str, ...]) -> Figure:
    """A picture each, worst first.

    Args:
        task: "proposal", "bbox", "class" or "mask".
        pictures: the sample, the boxes asked on it, the model's `Measured` and the task's measure, of each.
        class_names: of the labels.
    """
    if not pictures:
        return nothing("No picture has anything to measure.")
    rows = -(-len(pictures) // _BESIDE)
    figure = Figure(figsize=(2 * canvas.WIDTH, rows * (2 * canvas.WIDTH / _BESIDE + 0.25) + 0.4), layout="constrained")
    axes = list(figure.subplots(rows, _BESIDE, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    draw, handles = _DRAWING[task]
    for axis, (sample, probes, measured, value) in zip(axes, pictures, strict=False):
        canvas.show(axis, sample.image, faded=True)
        axis.set_xlim(0, sample.image.shape[1])
        axis.set_ylim(sample.image.shape[0], 0)
        draw(axis, sample, probes, measured, class_names)
        name = sample.name if len(sample.name) <= 24 else f"…{sample.name[-23:]}"
        axis.set_title(f"{value:.2f}  {name}", fontsize=8)
    canvas.legend(figure, handles(), 4)
    return figure


def _proposals(axis, sample, probes, measured, class_names) -> None:
    boxes = probes.mask_boxes
    best = pairwise_iou(boxes, measured.proposals[:PROPOSALS]).max(axis=1, initial=0.0)
    found = best >= 0.5
    canvas.boxes(axis, boxes[found], canvas.CHOSEN, width=1.6)
    canvas.boxes(axis, boxes[~found], canvas.REFUSED, width=2.0)
    for box, overlap in zip(boxes, best, strict=True):
        canvas.written(axis, box, f"{overlap:.2f}", canvas.CHOSEN if overlap >= 0.5 else canvas.REFUSED)


def _boxes(axis, sample, probes, measured, class_names) -> None:
    rows = np.flatnonzero(probes.kind == JITTERED)[::3]  # the rest would hide the picture
    canvas.truth_boxes(axis, probes.mask_boxes)
    of_whom = zip(probes.labels[rows].tolist(), probes.owner[rows].tolist(), strict=True)
    colours = [canvas.class_colour(label, class_names, owner) for label, owner in of_whom]
    canvas.boxes(axis, probes.boxes[rows], colours, style=_DOTTED, width=0.9)
    canvas.boxes(axis, measured.refined_boxes[rows, probes.labels[rows]], colours, width=1.1)


def _classes(axis, sample, probes, measured, class_names) -> None:
    said = np.asarray(measured.class_probs).argmax(axis=1)
    names = ("nothing", *class_names)
    asked = np.flatnonzero(probes.kind != BACKGROUND)
    wrong_empty = np.flatnonzero((probes.kind == BACKGROUND) & (said > 0))
    canvas.boxes(axis, probes.boxes[wrong_empty], canvas.REFUSED, style=_DOTTED, width=1.1)
    for owner in np.unique(probes.owner[asked]):
        own = asked[probes.owner[asked] == owner]
        wrong = said[own] != probes.labels[own]
        box, label = probes.boxes[own[0]], int(probes.labels[own[0]])
        canvas.boxes(axis, box[None], canvas.REFUSED if wrong.any() else canvas.CHOSEN, width=1.5)
        if wrong.any():
            answers = np.bincount(said[own][wrong])
            text = f"{names[label]} → {names[int(answers.argmax())]} {wrong.sum()}/{len(own)}"
            canvas.written(axis, box, text, canvas.REFUSED)


def _masks(axis, sample, probes, measured, class_names) -> None:
    boxes, owners = probes.mask_boxes, probes.mask_owner
    labels = np.asarray(sample.labels)[owners]
    probs = np.asarray(measured.mask_probs)[np.arange(len(boxes)), :, :, labels - 1]
    height, width = sample.image.shape[:2]
    pasted = paste_masks(probs, boxes, height, width, threshold=0.5)
    for mask, owner, label in zip(pasted, owners, labels, strict=True):
        canvas.outline(axis, np.asarray(sample.masks)[owner].astype(bool), "white", width=1.1, rim=True)
        canvas.outline(axis, mask, canvas.class_colour(int(label), class_names, int(owner)), width=1.5)


_DRAWING = {
    "proposal": (
        _proposals,
        lambda: [
            canvas.entry("object with a proposal (IoU 0.5)", color=canvas.CHOSEN),
            canvas.entry("object without one; the number is its best IoU", color=canvas.REFUSED),
        ],
    ),
    "bbox": (
        _boxes,
        lambda: [
            canvas.entry("box asked", color=canvas.GREY, linestyle=_DOTTED),
            canvas.entry("as refined", color=canvas.GREY),
            canvas.truth_entry(),
        ],
    ),
    "class": (
        _classes,
        lambda: [
            canvas.entry("all answers right", color=canvas.CHOSEN),
            canvas.entry("truth → answer, so many of the boxes asked", color=canvas.REFUSED),
            canvas.entry("background called an object", color=canvas.REFUSED, linestyle=_DOTTED),
        ],
    ),
    "mask": (
        _masks,
        lambda: [
            canvas.entry("as answered, in the class's colour", color=canvas.GREY),
            canvas.entry("truth: white", color=canvas.INK, linewidth=0.8),
        ],
    ),
}
