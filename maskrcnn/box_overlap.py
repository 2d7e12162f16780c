"""Overlap of boxes xyxy, written once for NumPy and TensorFlow, bit for bit as each counts.

NumPy counts in float64, for figures, and without a framework at hand; TensorFlow in the tensors' own precision, inside
compiled graphs. All pairs of a batch, of which matching asks millions, are `boxes.iou`, which is Keras's.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _namespace(boxes, others) -> tuple[Any, Any, Any]:
    """NumPy and float64 arrays, or TensorFlow and the tensors."""
    if any(type(one).__module__.startswith("tensorflow") for one in (boxes, others)):
        import tensorflow as tf

        return tf, boxes, others
    return np, np.asarray(boxes, np.float64), np.asarray(others, np.float64)


def areas(boxes):
    """Areas (...,) of boxes (..., 4), 0 for an inverted one."""
    xp, boxes, _ = _namespace(boxes, boxes)
    sides = xp.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]


def intersection(boxes, others):
    """Common area (...,) of boxes (..., 4) with others (..., 4), one by one."""
    xp, boxes, others = _namespace(boxes, others)
    low = xp.maximum(boxes[..., :2], others[..., :2])
    sides = xp.maximum(xp.minimum(boxes[..., 2:], others[..., 2:]) - low, 0)
    return sides[..., 0] * sides[..., 1]


def aligned_iou(boxes, others):
    """IoU (...,) of boxes (..., 4) with others (..., 4), one by one; 0 where a box is not finite or both are empty."""
    xp, boxes, others = _namespace(boxes, others)
    common = intersection(boxes, others)
    union = areas(boxes) + areas(others) - common
    if xp is not np:
        return xp.math.divide_no_nan(common, union)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(np.where(union > 0, common / union, 0.0), nan=0.0, posinf=0.0)


def pairwise_iou(boxes, others):
    """IoU (..., N, M) of boxes (..., N, 4) with others (..., M, 4)."""
    _, boxes, others = _namespace(boxes, others)
    return aligned_iou(boxes[..., :, None, :], others[..., None, :, :])


def covered(boxes, others):
    """Share (..., N, M) of each box (..., N, 4) that lies in each other (..., M, 4): COCO's overlap with a crowd."""
    xp, boxes, others = _namespace(boxes, others)
    common = intersection(boxes[..., :, None, :], others[..., None, :, :])
    return common / xp.maximum(areas(boxes), 1e-9)[..., None]
