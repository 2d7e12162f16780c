"""Overlaps of masks, in NumPy; those of boxes are in maskrcnn.box_overlap."""

from __future__ import annotations

import numpy as np

from maskrcnn.blas_threads import one_blas_thread
from maskrcnn.data.cut_masks import CutMasks

BOUNDARY_RATIO = 0.02  # width of a boundary as a share of the picture's diagonal


def mask_iou(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU (N,) of masks (N, H, W) bool with others (N, H, W) bool, one by one; 0 where both are empty."""
    intersection = np.count_nonzero(masks & others, axis=(1, 2))
    union = np.count_nonzero(masks | others, axis=(1, 2))
    return intersection / np.maximum(union, 1)


def boundary_iou(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Boundary IoU (N,) of masks with others, one by one.

    A mask's boundary is the part of it within d pixels (Chebyshev) of what lies outside, the outside of the
    picture included; d is `boundary_width` (Cheng et al. 2021, "Boundary IoU").

    Args:
        masks: (N, H, W) bool.
        others: (N, H, W) bool.

    Returns:
        (N,) float64; 0 where both are empty.
    """
    distance = boundary_width(*masks.shape[1:])
    result = np.zeros(len(masks))
    for i, (mask, other) in enumerate(zip(masks, others, strict=True)):
        both = mask | other
        rows, columns = np.flatnonzero(both.any(axis=1)), np.flatnonzero(both.any(axis=0))
        if len(rows):
            crop = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            result[i] = overlaps_of_pair(np.stack([mask[crop], other[crop]]), distance)[1]
    return result


def boundary_width(height: int, width: int, ratio: float = BOUNDARY_RATIO) -> int:
    """Pixels that a boundary is wide in a picture: `ratio` of its diagonal, at least 1."""
    return max(1, round(ratio * float(np.hypot(height, width))))


def overlaps_of_pair(pair: np.ndarray, distance: int) -> tuple[float, float]:
    """IoU and boundary IoU of two masks.

    Args:
        pair: (2, h, w) bool, a window of the picture in which all pixels of both lie.
        distance: width of a boundary, px.

    Returns:
        The two, 0 where both masks are empty.
    """
    union = np.count_nonzero(pair[0] | pair[1])
    if not union:
        return 0.0, 0.0
    first, second = pair & ~erode(pair, distance)
    iou = np.count_nonzero(pair[0] & pair[1]) / union
    return iou, np.count_nonzero(first & second) / np.count_nonzero(first | second)


def erode(masks: np.ndarray, distance: int) -> np.ndarray:
    """Masks (N, H, W) bool less every pixel within `distance` (Chebyshev) of a 0 or of the outside."""
    count, height, width = masks.shape
    padded = np.zeros((count, height + 2 * distance, width + 2 * distance), bool)
    padded[:, distance : distance + height, distance : distance + width] = masks
    size = 2 * distance + 1
    # A pixel stays where its whole window is 1: of rows, then of columns. A window is two shorter ones that overlap.
    length = 1
    while length < size:
        step = min(length, size - length)
        padded = padded[:, :-step] & padded[:, step:]
        padded = padded[:, :, :-step] & padded[:, :, step:]
        length += step
    return padded


@one_blas_thread()
def resample_masks(masks: CutMasks, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cuts each mask out of its box and averages it onto a small grid: what a perfect mask head would answer.

    Args:
        masks: N masks of one picture.
        boxes: (N, 4) xyxy px.
        size: side s of the grid.

    Returns:
        (N, s, s) float32 in [0, 1]: the share of each cell that the mask covers.
    """
    height, width = masks.size
    result = np.zeros((len(masks), size, size), np.float32)
    for i, box in enumerate(np.asarray(boxes, np.float64)):
        across, first_x = _cell_weights(box[0], box[2], width, size)
        down, first_y = _cell_weights(box[1], box[3], height, size)
        crop = in_window(masks, i, (first_x, first_y, first_x + across.shape[1], first_y + down.shape[1]))
        result[i] = down @ crop @ across.T
    return result


def in_window(masks: CutMasks, number: int, window: tuple[int, int, int, int]) -> np.ndarray:
    """(h, w) bool: what a picture has of its mask of that number in a window (x0, y0, x1, y1) px."""
    left, top, right, bottom = window
    found = np.zeros((bottom - top, right - left), bool)
    x0, y0, x1, y1 = masks.windows[number].tolist()
    (x, y), (end_x, end_y) = (max(x0, left), max(y0, top)), (min(x1, right), min(y1, bottom))
    if x < end_x and y < end_y:
        part = masks.parts[number][y - y0 : end_y - y0, x - x0 : end_x - x0]
        found[y - top : end_y - top, x - left : end_x - left] = part
    return found


def _cell_weights(low, high, length, size):
    """(size, pixels) shares of each cell of [low, high] over the pixels from `first`; and `first`."""
    first, last = int(max(np.floor(low), 0)), int(min(np.ceil(high), length))
    edges = np.linspace(low, high, size + 1)
    pixels = np.arange(first, max(last, first + 1))
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(overlap, 0) / max((high - low) / size, 1e-9)).astype(np.float32), first
