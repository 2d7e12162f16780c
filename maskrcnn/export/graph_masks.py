"""From a head's small masks to masks of the picture inside a graph: what `regions.pasting` does in NumPy."""

from __future__ import annotations

import tensorflow as tf


def paste_in_graph(mask_probs, boxes, height, width, to_box: bool, one_by_one: bool):
    """Lay each small mask over its box; see `paste_masks`, whose pixels these are.

    Bilinear weights are hat functions of the distance between a pixel and a cell, so that a mask is two products
    of matrices, of fixed shapes: operations that every runtime has.

    Args:
        mask_probs: (N, s, s) float32 in [0, 1].
        boxes: (N, 4) float32 xyxy px of the picture.
        height, width: of the picture, numbers or int32 scalars.
        to_box: the mask alone fills the box, rounded to whole pixels; else with half a cell beyond it.
        one_by_one: one mask after another in a loop, which saves memory; else all at once.

    Returns:
        (N, height, width) bool.
    """
    cells = mask_probs.shape[1]
    if to_box:
        corners = tf.round(boxes) - tf.constant([0.0, 0.0, 1.0, 1.0])
    else:
        centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
        half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * ((cells + 2) / cells)
        corners = tf.concat([centre - half, centre + half], axis=1)
        corners = tf.cast(tf.cast(corners, tf.int32), tf.float32)  # cut towards 0, as torchvision
    rows = _weights(corners[:, 1], corners[:, 3], height, cells, int(to_box))
    columns = _weights(corners[:, 0], corners[:, 2], width, cells, int(to_box))
    if not one_by_one:
        return tf.matmul(tf.matmul(rows, mask_probs), columns, transpose_b=True) > 0.5
    # A loop over nothing does not know the shape of its result: an empty mask more, which is left out.
    parts = tuple(tf.pad(part, [[0, 1], [0, 0], [0, 0]]) for part in (rows, mask_probs, columns))
    return tf.map_fn(
        lambda one: tf.matmul(tf.matmul(one[0], one[1]), one[2], transpose_b=True) > 0.5,
        parts,
        fn_output_signature=tf.TensorSpec((None, None), tf.bool),
    )[:-1]


def _weights(first, last, length, cells: int, border: int):
    """How much of each cell a pixel shows along one axis: (N, length, cells); none outside the box.

    The cells have one of zeros before and behind them, of which `border` at either end are left out of the box.
    """
    pixels = tf.range(tf.cast(length, tf.float32))[None]
    count = tf.maximum(last - first + 1.0, 1.0)[:, None]
    at = (pixels - first[:, None] + 0.5) * (float(cells + 2 - 2 * border) / count) - 0.5 + float(border)
    at = tf.clip_by_value(at, 0.0, float(cells + 1))
    inside = (pixels >= first[:, None]) & (pixels < first[:, None] + count)
    distance = tf.abs(at[..., None] - tf.range(1.0, cells + 1.0))
    return tf.where(inside[..., None], tf.maximum(1.0 - distance, 0.0), 0.0)
