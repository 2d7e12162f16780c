"""Sizes and pixels of a picture that is resized; torchvision's arithmetic, and Matterport's of sizes."""

from __future__ import annotations

import numpy as np


def resized_size(
    height: int, width: int, min_size: int, max_size: int, square: bool = False
) -> tuple[int, int]:
    """Size after scaling the short side to `min_size`, the long side at most `max_size`.

    In double precision, as torchvision's eager transform: it decides whether a side comes out as 800 or 799.

    Args:
        height, width: px of the picture as stored.
        min_size, max_size: px.
        square: as Matterport's code: made smaller only where the long side would pass `max_size`, and rounded.

    Returns:
        (height, width) px, at least 1 each.
    """
    if square:
        scale = max(1.0, min_size / min(height, width))
        if round(max(height, width) * scale) > max_size:
            scale = max_size / max(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))
    scale = min(min_size / min(height, width), max_size / max(height, width))
    return max(1, int(height * scale)), max(1, int(width * scale))


def nearest_index(old: int, new: int) -> np.ndarray:
    """Source index of each target pixel: floor(target * old / new) in float32, as torch's "nearest".

    Returns:
        (new,) int64.
    """
    scale = np.float32(old) / np.float32(new)
    return np.minimum(np.floor(np.arange(new, dtype=np.float32) * scale).astype(np.int64), old - 1)
