"""Where a region is sampled, which cells of a map that reads, and how samples become bins."""

from __future__ import annotations

import tensorflow as tf

# A value of `aligned`: samples run from corner to corner of a region that ends at its last pixel.
CORNERS = "corners"


def sample_grid(boxes, scale, counts, aligned):
    """First sample and step, in cells, along y and x: two (N, 2) tensors; `counts` is samples a side.

    `scale` is cells a pixel, and with CORNERS for y and x (..., 2): the samples then run from corner to corner.
    """
    if aligned == CORNERS:
        start, end = boxes[:, 1::-1] * scale, boxes[:, :1:-1] * scale
        return start, (end - start) / tf.cast(tf.maximum(tf.stack(counts) - 1, 1), tf.float32)
    scaled = boxes * scale - (0.5 if aligned else 0.0)
    start = tf.stack([scaled[:, 1], scaled[:, 0]], axis=-1)
    extent = tf.stack([scaled[:, 3], scaled[:, 2]], axis=-1) - start
    if not aligned:
        extent = tf.maximum(extent, 1.0)
    step = extent / tf.cast(counts, tf.float32)
    return start + step / 2, step


def pool(samples, size, sampling_ratio):
    """Mean of the samples of each bin: (N, size * rows, size * columns, C) to (N, size, size, C)."""
    if isinstance(sampling_ratio, int):
        return tf.nn.avg_pool2d(samples, sampling_ratio, sampling_ratio, "VALID") if sampling_ratio > 1 else samples
    rows, columns = sampling_ratio
    bins = tf.reshape(samples, (-1, size, rows, size, columns, samples.shape[-1]))
    return tf.reduce_mean(bins, axis=(2, 4))


def cells_along(first, step, length, size, sampling_ratio):
    """Which cells each bin reads along one axis, and how much of each.

    Args:
        first, step: (N,) float32, of `sample_grid`.
        length: (N,) int32, cells of the map.
        size: bins; sampling_ratio: samples a bin.

    Returns:
        Lower and upper cell of each sample, int32, and their weights, float32, (N, size, 2 * sampling_ratio) each.
    """
    at = first[:, None] + step[:, None] * tf.range(size * sampling_ratio, dtype=tf.float32)
    last = tf.cast(length, tf.float32)[:, None] - 1
    inside = tf.cast((at >= -1) & (at <= last + 1), tf.float32) / sampling_ratio
    at = tf.clip_by_value(at, 0.0, last)
    low = tf.floor(at)
    cells = tf.stack([low, tf.minimum(low + 1, last)], axis=-1)
    weights = tf.stack([low + 1 - at, at - low], axis=-1) * inside[..., None]
    shape = (-1, size, 2 * sampling_ratio)
    return tf.cast(tf.reshape(cells, shape), tf.int32), tf.reshape(weights, shape)
