"""Stages 3 and 7: masks as the head answers them and as they are pasted, and the composed result."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from maskrcnn.box_overlap import pairwise_iou
from maskrcnn.detection.detections import Detections
from maskrcnn.detection.drawing import draw_detections
from maskrcnn.inspect.figures import canvas
from maskrcnn.inspect.picture_stages import Stages, Truth

MOST_MASKS = 12
_BESIDE = 4


@canvas.styled
def small_masks(stages: Stages, most: int = MOST_MASKS) -> Figure:
    """The mask head's own answers, a small grid of probabilities a detection, best first."""
    return _grid(stages, most, _small_mask)


@canvas.styled
def pasted_masks(stages: Stages, most: int = MOST_MASKS) -> Figure:
    """The same masks laid over their boxes and cut at 0.5, beside the true outline where it is known."""
    return _grid(stages, most, _pasted_mask)


def _grid(stages: Stages, most: int, draw: Any) -> Figure:
    count = min(most, len(stages.detections))
    if not count:
        return nothing("Nothing was found: there is no mask to show.")
    columns = min(_BESIDE, count)
    rows = -(-count // columns)
    size = (canvas.WIDTH, rows * (canvas.WIDTH / max(columns, 3) + 0.22))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03))
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    found = stages.detections
    for number, axis in zip(range(count), axes, strict=False):
        colour = canvas.class_colour(int(found.labels[number]), stages.class_names, number)
        draw(stages, number, axis, colour)
        text = f"{found.names[number]} {found.scores[number]:.2f}"
        axis.set_title(text, color=colour, fontsize=8.5, fontweight="bold")
    return figure


def _small_mask(stages: Stages, number: int, axis: Any, colour: str) -> None:
    axis.imshow(stages.mask_probs[number], vmin=0, vmax=1, cmap="gray", interpolation="nearest")


def _pasted_mask(stages: Stages, number: int, axis: Any, colour: str) -> None:
    height, width = stages.image.shape[:2]
    x0, y0, x1, y1 = stages.detections.boxes[number]
    around = 0.15 * max(x1 - x0, y1 - y0) + 2
    left, top = max(0, int(x0 - around)), max(0, int(y0 - around))
    right, bottom = min(width, int(x1 + around) + 1), min(height, int(y1 + around) + 1)
    cut = np.s_[top:bottom, left:right]
    canvas.show(axis, stages.image[cut])
    if stages.truth is not None:
        for mask in stages.truth.masks:
            canvas.outline(axis, mask[cut], "white", width=1.0, rim=True)
    canvas.outline(axis, stages.detections.masks[number][cut], colour, width=1.8)


@canvas.styled
def overlaps(stages: Stages) -> Figure:
    """IoU of every detection's box with every object's, with the classes of both.

    Raises:
        ValueError: the stages have no truth.
    """
    if stages.truth is None:
        raise ValueError("these stages have no truth to compare detections with: give `trace` the picture's Sample")
    found, truth = stages.detections, stages.truth
    if not len(found) or not len(truth.boxes):
        return nothing("Nothing was found, or there is nothing to find.")
    few = min(len(found), 15)
    iou = pairwise_iou(found.boxes[:few], truth.boxes)
    names = [stages.class_names[label - 1] for label in truth.labels.tolist()]
    figure = Figure(figsize=(canvas.WIDTH, 0.26 * few + 1.5), layout="constrained")
    axis = figure.subplots()
    axis.imshow(iou, vmin=0, vmax=1, cmap="Greys", aspect="auto")
    axis.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axis.set_yticks(range(few), [f"{n} {s:.2f}" for n, s in zip(found.names[:few], found.scores[:few], strict=True)])
    axis.set_xlabel("objects")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    for y, x in np.argwhere(iou >= 0.05):
        right = found.labels[y] == truth.labels[x]
        colour = "white" if iou[y, x] > 0.5 else canvas.INK
        mark = "" if right or iou[y, x] < 0.5 else " ✗"
        axis.text(x, y, f"{iou[y, x]:.2f}{mark}", ha="center", va="center", fontsize=8, color=colour)
    return figure


def composed(stages: Stages) -> np.ndarray:
    """The picture with all detections drawn into it, (H, W, 3) uint8, enlarged if it is small."""
    return np.asarray(draw_detections(stages.image, stages.detections, stages.class_names))


def true_picture(image: np.ndarray, truth: Truth, class_names: tuple[str, ...]) -> np.ndarray:
    """The picture with its known objects drawn into it, likewise."""
    unsure = np.full(len(truth.labels), np.nan, np.float32)
    objects = Detections(truth.boxes, truth.labels, unsure, truth.masks, class_names)
    return np.asarray(draw_detections(image, objects, class_names))


def colour_splash(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The picture in grey, but for what the masks cover.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (N, H, W) bool.

    Returns:
        (H, W, 3) uint8.
    """
    inside = np.any(masks, axis=0) if len(masks) else np.zeros(image.shape[:2], bool)
    return np.where(inside[..., None], image, np.round(canvas.grey(image)).astype(np.uint8)[..., None])


@canvas.styled
def nothing(text: str) -> Figure:
    """A figure that says why it is empty."""
    figure = Figure(figsize=(canvas.WIDTH, 1.0), layout="constrained")
    figure.text(0.02, 0.5, text, va="center", fontsize=9, color=canvas.GREY, wrap=True)
    return figure
