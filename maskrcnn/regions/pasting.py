"""From a head's small mask to a mask of the picture."""

from __future__ import annotations

import numpy as np

from maskrcnn.blas_threads import one_blas_thread

MASKS_AT_ONCE = 64  # whose weights are made together: the number of calls costs more than the work, but memory too


def _interpolation(source: int, targets: np.ndarray, border: int = 0) -> list[np.ndarray]:
    """Weights (target, source) of a bilinear resize with half-pixel centres, edges repeated, to each of the targets.

    The target shows all of the source but so many cells at either end.
    """
    ends = np.cumsum(targets)
    of_target = np.repeat(targets, targets)
    at = (np.arange(ends[-1]) - np.repeat(ends - targets, targets) + 0.5) * (source - 2 * border) / of_target
    at = np.clip(at - 0.5 + border, 0, source - 1)
    low = np.minimum(at.astype(int), source - 2)
    weights = np.zeros((len(at), source), "float32")
    every = np.arange(len(at))
    weights[every, low] = 1 - (at - low)
    weights[every, low + 1] += at - low
    return np.split(weights, ends[:-1])


@one_blas_thread()
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
    for first in range(0, len(out), MASKS_AT_ONCE):
        some = slice(first, first + MASKS_AT_ONCE)
        _lay(out[some], padded[some], corners[some], threshold, int(to_box))
    return out


def _lay(canvases, padded, corners, threshold, border: int) -> None:
    """Write each mask, which has a border of zeros, into its canvas (H, W), at its corners x1, y1, x2, y2."""
    height, width = canvases.shape[1:]
    sides = np.maximum(corners[:, 2:] - corners[:, :2] + 1, 1)
    ends = np.minimum(corners[:, :2] + sides, [width, height])
    begins = np.maximum(corners[:, :2], 0)
    weights = _interpolation(padded.shape[1], sides.reshape(-1), border)
    for index in np.flatnonzero((ends > begins).all(axis=1)).tolist():
        (x1, y1), (left, top), (right, bottom) = (each[index].tolist() for each in (corners[:, :2], begins, ends))
        by_column, by_row = weights[2 * index][left - x1 : right - x1], weights[2 * index + 1][top - y1 : bottom - y1]
        found = by_row @ padded[index] @ by_column.T
        canvases[index, top:bottom, left:right] = found if threshold is None else found > threshold
