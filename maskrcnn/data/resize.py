"""Sizes, boxes and pixels of a picture that is resized; torchvision's arithmetic."""

from __future__ import annotations

import numpy as np


def resized_size(height: int, width: int, min_size: int, max_size: int) -> tuple[int, int]:
    """Size after scaling the short side to `min_size`, the long side at most `max_size`.

    In double precision, as torchvision's eager transform: it decides whether a side comes out as 800 or 799.

    Args:
        height, width: px of the picture as stored.
        min_size, max_size: px.

    Returns:
        (height, width) px, at least 1 each.
    """
    scale = min(min_size / min(height, width), max_size / max(height, width))
    return max(1, int(height * scale)), max(1, int(width * scale))


def resize_boxes(boxes: np.ndarray, old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """Boxes (N, 4) xyxy px of a picture of `old` (height, width), in px of one of `new`; float32."""
    ratio_y = np.float32(new[0]) / np.float32(old[0])
    ratio_x = np.float32(new[1]) / np.float32(old[1])
    return boxes.astype(np.float32) * np.array([ratio_x, ratio_y, ratio_x, ratio_y], np.float32)


def nearest_index(old: int, new: int) -> np.ndarray:
    """Source index of each target pixel: floor(target * old / new) in float32, as torch's "nearest".

    Returns:
        (new,) int64.
    """
    scale = np.float32(old) / np.float32(new)
    return np.minimum(np.floor(np.arange(new, dtype=np.float32) * scale).astype(np.int64), old - 1)
