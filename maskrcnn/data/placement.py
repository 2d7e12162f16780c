"""Where a picture lies in the padded one that the network reads, and how it and its boxes get there and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .resize import resized_size


@dataclasses.dataclass(frozen=True)
class Placement:
    """One picture's way into the network.

    Attributes:
        old, size, padded: (height, width) px of the picture as given, resized, and with its padding.
        offset: (top, left) px of the padding before it.
        last_pixel: the network's boxes end at their last pixel, the picture's behind it.
    """

    old: tuple[int, int]
    size: tuple[int, int]
    padded: tuple[int, int]
    offset: tuple[int, int] = (0, 0)
    last_pixel: bool = False

    @property
    def factor(self) -> np.ndarray:
        """(4,) float64: px of the network's boxes a px of the picture's, for xyxy."""
        less = int(self.last_pixel)
        down, across = ((new - less) / max(old - less, 1) for new, old in zip(self.size, self.old, strict=True))
        return np.array([across, down, across, down])

    def into(self, boxes: Any, dtype: Any = np.float64) -> np.ndarray:
        """Boxes (N, 4) xyxy px of the picture as given, in the network's coordinates; computed in `dtype`."""
        ends, first = self._shifts(dtype)
        return (np.asarray(boxes).reshape(-1, 4) - ends) * self.factor.astype(dtype) + first

    def back(self, boxes: np.ndarray) -> np.ndarray:
        """The inverse of `into`, of float32 boxes (..., 4)."""
        ends, first = self._shifts(np.float32)
        return (boxes - first) * (1.0 / self.factor).astype(np.float32) + ends

    def _shifts(self, dtype):
        top, left = self.offset
        return np.array([0, 0, 1, 1], dtype) * self.last_pixel, np.array([left, top, left, top], dtype)


def place(old: tuple[int, ...], config: Any, shrink: float = 1.0) -> Placement:
    """The placement of a picture.

    Args:
        old: (height, width) px of the picture as given.
        config: has `min_size`, `max_size`, `size_divisor`; `square_fit` and `box_last_pixel` count as False if missing.
        shrink: further factor on the size, in (0, 1] (scale jitter).
    """
    square = getattr(config, "square_fit", False)
    height, width = old
    size = resized_size(height, width, config.min_size, config.max_size, square)
    if shrink != 1.0:
        size = max(1, int(size[0] * shrink)), max(1, int(size[1] * shrink))
    divisor = config.size_divisor
    padded = (config.max_size,) * 2 if square else (-(-size[0] // divisor) * divisor, -(-size[1] // divisor) * divisor)
    offset = ((padded[0] - size[0]) // 2, (padded[1] - size[1]) // 2) if square else (0, 0)
    return Placement((height, width), size, padded, offset, getattr(config, "box_last_pixel", False))
