"""Boxes of masks, in the half-open pixel coordinates used everywhere here."""

from __future__ import annotations

import numpy as np


def mask_boxes(masks: np.ndarray) -> np.ndarray:
    """The tight box of each mask.

    Args:
        masks: (N, H, W) bool.

    Returns:
        (N, 4) float32 xyxy px, right and bottom exclusive; zeros for an empty mask.
    """
    boxes = np.zeros((len(masks), 4), np.float32)
    if masks.size == 0:
        return boxes
    height, width = masks.shape[1:]
    rows, columns = np.any(masks, axis=2), np.any(masks, axis=1)
    some = rows.any(axis=1)
    boxes[:, 0] = columns.argmax(axis=1)
    boxes[:, 1] = rows.argmax(axis=1)
    boxes[:, 2] = width - columns[:, ::-1].argmax(axis=1)
    boxes[:, 3] = height - rows[:, ::-1].argmax(axis=1)
    boxes[~some] = 0
    return boxes
