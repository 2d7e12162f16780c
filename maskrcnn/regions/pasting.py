"""From a head's small mask to a mask of the picture."""

from __future__ import annotations

import numpy as np


def _interpolation(source: int, target: int, border: int = 0) -> np.ndarray:
    """Weights (target, source) of a bilinear resize with half-pixel centres, edges repeated.

    The target shows all of the source but so many cells at either end.
    """
    at = (np.arange(target) + 0.5) * (source - 2 * border) / target - 0.5 + border
    at = np.clip(at, 0, source - 1)
    low = np.minimum(at.astype(int), source - 2) if source > 1 else np.zeros(target, int)
    weights = np.zeros((target, source), "float32")
    weights[np.arange(target), low] = 1 - (at - low)
    if source > 1:
        weights[np.arange(target), low + 1] += at - low
    return weights


def paste_masks(
    mask_probs, boxes, height: int, width: int, threshold: float | None = None, to_box: bool = False
) -> np.ndarray:
    """Lay each small mask over its box, as torchvision does, or as Matterport's code.

    The mask gets a border of one zero cell, the box grows by the same share about its centre and is cut
    to whole pixels.

    Args:
        mask_probs: (N, s, s) float in [0, 1].
        boxes: (N, 4) float xyxy, px.
        height, width: of the picture.
        threshold: a mask is where its probability is above this, as a rule 0.5; None: the probabilities themselves.
        to_box: as Matterport's code: the mask alone fills the box, which is rounded to whole pixels.

    Returns:
        (N, height, width) bool, or float32 if there is no threshold; nothing outside the boxes. Only there is it
        written, one mask after another: the rest takes no memory until it is read.
    """
    probs = np.asarray(mask_probs, "float32")
    out = np.zeros((len(probs), height, width), "float32" if threshold is None else bool)
    if not len(probs):
        return out
    cells = probs.shape[1]
    padded = np.pad(probs, ((0, 0), (1, 1), (1, 1)))
    boxes = np.asarray(boxes, "float32")
    centre = (boxes[:, 2:] + boxes[:, :2]) * np.float32(0.5)
    half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5) * np.float32((cells + 2) / cells)
    corners = np.concatenate([centre - half, centre + half], axis=1).astype(np.int64)
    if to_box:
        corners = np.around(boxes).astype(np.int64) - [0, 0, 1, 1]
    for canvas, prob, (x1, y1, x2, y2) in zip(out, padded, corners, strict=True):
        rows, columns = max(int(y2 - y1 + 1), 1), max(int(x2 - x1 + 1), 1)
        top, left = max(0, y1), max(0, x1)
        bottom, right = min(y1 + rows, height), min(x1 + columns, width)
        if bottom <= top or right <= left:
            continue
        border = int(to_box)
        by_row = _interpolation(cells + 2, rows, border)[top - y1 : bottom - y1]
        by_column = _interpolation(cells + 2, columns, border)[left - x1 : right - x1]
        found = by_row @ prob @ by_column.T
        canvas[top:bottom, left:right] = found if threshold is None else found > threshold
    return out
