"""What the mask head should answer: the true masks of the positive regions."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.regions.roi_align import align_by_gather, align_padded


def mask_targets(masks, image_size, rois, picture, matched, size: int, config, static_shapes: bool = False):
    """The true masks seen through each region: RoIAlign of the mask at scale 1.

    Args:
        masks: (B, G, H, W) uint8.
        image_size: (B, 2) float32 without padding; beyond it a mask's edge is repeated.
        rois: (P, 4) float32 xyxy; picture, matched: (P,) int32, whose G masks, which of them.
        size: bins along each side.
        config: `mask_target_sampling_ratio`, `mask_target_binary`.
        static_shapes: for XLA; not with a sampling ratio of 0, by which each region has shapes of its own.

    Returns:
        (P, size, size) float32 in [0, 1].
    """
    shape, border = tf.shape(masks), 0 if static_shapes else 1
    which = picture * shape[1] + matched
    for axis in (2, 3):
        last = tf.cast(image_size[:, axis - 2, None], tf.int32) - 1
        inside = tf.minimum(tf.maximum(tf.range(shape[axis] + 2 * border)[None] - border, 0), last)
        masks = tf.gather(masks, inside, axis=axis, batch_dims=1)
    shape = tf.shape(masks)
    flat = tf.reshape(masks, (-1, shape[2], shape[3], 1))
    ratio = config.mask_target_sampling_ratio
    if static_shapes:
        level = tf.zeros_like(which)
        found = align_by_gather(
            [tf.cast(flat, tf.float32)], rois, which, level, [1.0], size, ratio, config.roi_aligned
        )
    elif ratio:
        found = align_padded(flat, rois, which, 1.0, size, ratio, config.roi_aligned)
    else:
        found = tf.map_fn(
            lambda one: _adaptive(flat, one[0], one[1], size, config.roi_aligned),
            (rois, which),
            fn_output_signature=tf.TensorSpec((size, size, 1), tf.float32),
        )
    found = tf.reshape(found, (-1, size, size))
    return tf.cast(found >= 0.5, tf.float32) if config.mask_target_binary else found


def _adaptive(padded, roi, which, size, aligned):
    """RoIAlign of one region with ceil(side / size) samples a bin along each axis: (size, size, 1)."""
    width, height = box_ops.sides(roi)
    if not aligned:
        width, height = tf.maximum(width, 1.0), tf.maximum(height, 1.0)
    rows = tf.maximum(tf.cast(tf.math.ceil(height / size), tf.int32), 1)
    columns = tf.maximum(tf.cast(tf.math.ceil(width / size), tf.int32), 1)
    return align_padded(padded, roi[None], which[None], 1.0, size, (rows, columns), aligned)[0]
