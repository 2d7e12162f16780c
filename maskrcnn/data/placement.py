"""Where a picture lies in the padded one that the network reads, and how it and its boxes get there and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from .resize import resized_size

_ROUNDING = 1e-4  # grey levels that the resize may be short of a whole one


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


def resize_pixels(image, size, config, white: float = 1.0):
    """A picture (H, W, 3) of `size` (2,): bilinear, no antialiasing; float32 from 0 to `white`, as the picture is.

    With `square_fit` as scikit-image resizes bytes, which Matterport's code does: beyond the picture all is black, and
    grey levels are cut to whole ones.
    """
    found = tf.image.resize(image, size, "bilinear", antialias=False)
    if not getattr(config, "square_fit", False):
        return found
    old = tf.shape(image)
    down, across = (_covered(old[axis], size[axis]) for axis in (0, 1))
    levels = found * (255.0 / white) * down[:, None, None] * across[None, :, None]
    return tf.floor(levels + _ROUNDING) * (white / 255.0)


def _covered(old, new):
    """(new,) float32: the share of each target pixel's two neighbours that lies inside the picture."""
    ratio = tf.cast(old, tf.float32) / tf.cast(new, tf.float32)
    at = (tf.range(new, dtype=tf.float32) + 0.5) * ratio - 0.5
    return tf.clip_by_value(tf.minimum(1.0 + at, tf.cast(old, tf.float32) - at), 0.0, 1.0)


def pad_pixels(image, config):
    """Zeros around a resized picture (H, W, 3), where its `Placement` has them."""
    size = tf.shape(image)[:2]
    if getattr(config, "square_fit", False):
        short = config.max_size - size
        before = short // 2
    else:
        short = -size % config.size_divisor
        before = tf.zeros_like(short)
    after = short - before
    return tf.pad(image, [[before[0], after[0]], [before[1], after[1]], [0, 0]])
