"""The picture that the network reads: resized, padded, normalised."""

from __future__ import annotations

import tensorflow as tf


def pad_to_multiple(image, divisor: int):
    """Add zeros at the bottom and the right of (H, W, C) up to a multiple of `divisor`."""
    size = tf.shape(image)[:2]
    short = -size % divisor
    return tf.pad(image, [[0, short[0]], [0, short[1]], [0, 0]])


def fit(image, size, divisor: int):
    """Resize one picture (bilinear, no antialiasing) and pad it.

    Args:
        image: (H, W, 3) float32 in [0, 1].
        size: (2,) int, height and width after the resize.
        divisor: the padded sides are multiples of it.

    Returns:
        (H', W', 3) float32.
    """
    return pad_to_multiple(tf.image.resize(image, size), divisor)


def normalise(images, image_size, config):
    """Subtract the mean and divide by the deviation; the padding becomes zero.

    Args:
        images: (B, H, W, 3) float32 in [0, 1]; image_size: (B, 2) float32 without padding.
    """
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    inside_y = tf.range(height, dtype=tf.float32)[None] < image_size[:, :1]
    inside_x = tf.range(width, dtype=tf.float32)[None] < image_size[:, 1:]
    inside = (inside_y[:, :, None] & inside_x[:, None, :])[..., None]
    return tf.where(inside, (images - tf.constant(config.pixel_mean)) / tf.constant(config.pixel_std), 0.0)
