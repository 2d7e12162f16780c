"""A picture's pixels on their way into the network: resized, and padded to its `Placement`."""

from __future__ import annotations

import tensorflow as tf

_ROUNDING = 1e-4  # grey levels that the resize may be short of a whole one


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
        # Not -size % divisor: of negative numbers ONNX takes another remainder.
        short = (config.size_divisor - size % config.size_divisor) % config.size_divisor
        before = tf.zeros_like(short)
    after = short - before
    return tf.pad(image, [[before[0], after[0]], [before[1], after[1]], [0, 0]])
