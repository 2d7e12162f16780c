"""Overlaps of masks, in NumPy; those of boxes are in maskrcnn.box_overlap."""

from __future__ import annotations

import numpy as np

BOUNDARY_RATIO = 0.02  # width of a boundary as a share of the picture's diagonal


def mask_iou(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU (N,) of masks (N, H, W) bool with others (N, H, W) bool, one by one; 0 where both are empty."""
    intersection = np.count_nonzero(masks & others, axis=(1, 2))
    union = np.count_nonzero(masks | others, axis=(1, 2))
    return intersection / np.maximum(union, 1)


def boundary_iou(masks: np.ndarray, others: np.ndarray, ratio: float = BOUNDARY_RATIO) -> np.ndarray:
    """Boundary IoU (N,) of masks with others, one by one.

    A mask's boundary is the part of it within d pixels (Chebyshev) of what lies outside, the outside of the
    picture included; d is `ratio` of the picture's diagonal, at least 1 (Cheng et al. 2021, "Boundary IoU").

    Args:
        masks: (N, H, W) bool.
        others: (N, H, W) bool.
        ratio: width of the boundary as a share of the diagonal.

    Returns:
        (N,) float64; 0 where both are empty.
    """
    height, width = masks.shape[1:]
    distance = max(1, round(ratio * float(np.hypot(height, width))))
    result = np.zeros(len(masks))
    for i, (mask, other) in enumerate(zip(masks, others, strict=True)):
        both = mask | other
        rows, columns = np.flatnonzero(both.any(axis=1)), np.flatnonzero(both.any(axis=0))
        if not len(rows):
            continue
        crop = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        pair = np.stack([mask[crop], other[crop]])
        first, second = pair & ~erode(pair, distance)
        result[i] = np.count_nonzero(first & second) / np.count_nonzero(first | second)
    return result


def erode(masks: np.ndarray, distance: int) -> np.ndarray:
    """Masks (N, H, W) bool less every pixel within `distance` (Chebyshev) of a 0 or of the outside."""
    size = 2 * distance + 1
    for axis in (1, 2):  # a square window is a row window of column windows
        pad = [(0, 0)] * 3
        pad[axis] = (distance + 1, distance)
        sums = np.cumsum(np.pad(masks, pad), axis=axis, dtype=np.int32)
        length = masks.shape[axis]
        upper = np.take(sums, np.arange(size, size + length), axis=axis)
        masks = upper - np.take(sums, np.arange(length), axis=axis) == size
    return masks


def resample_masks(masks: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cuts each mask out of its box and averages it onto a small grid: what a perfect mask head would answer.

    Args:
        masks: (N, H, W) bool.
        boxes: (N, 4) xyxy px.
        size: side s of the grid.

    Returns:
        (N, s, s) float32 in [0, 1]: the share of each cell that the mask covers.
    """
    height, width = masks.shape[1:]
    result = np.zeros((len(masks), size, size), np.float32)
    for i, (mask, box) in enumerate(zip(masks, np.asarray(boxes, np.float64), strict=True)):
        across, first_x = _cell_weights(box[0], box[2], width, size)
        down, first_y = _cell_weights(box[1], box[3], height, size)
        crop = mask[first_y : first_y + down.shape[1], first_x : first_x + across.shape[1]]
        result[i] = down @ crop @ across.T
    return result


def _cell_weights(low, high, length, size):
    """(size, pixels) shares of each cell of [low, high] over the pixels from `first`; and `first`."""
    first, last = int(max(np.floor(low), 0)), int(min(np.ceil(high), length))
    edges = np.linspace(low, high, size + 1)
    pixels = np.arange(first, max(last, first + 1))
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(overlap, 0) / max((high - low) / size, 1e-9)).astype(np.float32), first
