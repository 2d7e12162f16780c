"""Anchors of a feature pyramid."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def base_anchors(size: float, ratios, rounding: bool) -> np.ndarray:
    """Anchors of one level about the origin.

    Args:
        size: side of the square anchor, px.
        ratios: height / width of each anchor; the area stays size^2.
        rounding: round the corners to whole pixels (half to even).

    Returns:
        (len(ratios), 4) float32 xyxy.
    """
    root = np.sqrt(np.asarray(ratios, "float64"))
    half = np.stack([size / root, size * root], axis=-1) / 2
    anchors = np.concatenate([-half, half], axis=-1)
    return (np.round(anchors) if rounding else anchors).astype("float32")


def pyramid_anchors(grids, padded_size, sizes, ratios, rounding: bool = False, last_pixel: bool = False):
    """Anchors of every cell of every level.

    The stride of a level is the padded picture's side over the grid's, cut to a whole number: at the
    coarsest level it is not always a power of two.

    Args:
        grids: (height, width) of each level's map, finest first.
        padded_size: (height, width) of the picture that the network reads.
        sizes, ratios, rounding: see `base_anchors`; for each level one size, or a tuple of sizes.
        last_pixel: anchors end at their last pixel, not behind it.

    Returns:
        A list with one (height * width * sizes * ratios, 4) float32 xyxy tensor a level, in the order
        row, column, size, ratio: that of a flattened (height, width, size * ratio) map.
    """
    levels = []
    for (rows, columns), size in zip(grids, sizes, strict=True):
        y = tf.cast(tf.range(rows) * (padded_size[0] // rows), tf.float32)
        x = tf.cast(tf.range(columns) * (padded_size[1] // columns), tf.float32)
        yy, xx = tf.meshgrid(y, x, indexing="ij")
        shifts = tf.reshape(tf.stack([xx, yy, xx, yy], axis=-1), (-1, 1, 4))
        base = np.concatenate([base_anchors(side, ratios, rounding) for side in np.atleast_1d(size)])
        base -= np.array([0, 0, 1, 1], "float32") * last_pixel
        levels.append(tf.reshape(shifts + base[None], (-1, 4)))
    return levels
