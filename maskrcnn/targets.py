"""What each part should answer: sampled anchors, sampled regions, masks of the positives."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.matching import IGNORED, match
from maskrcnn.roi_align import align_one
from maskrcnn.sampling import balanced_sample


def objects_of(batch):
    """(valid, crowd) of a batch, each (B, G) bool: a crowd is no object to find."""
    crowd = tf.cast(batch["crowd"], tf.bool)
    return (batch["labels"] > 0) & ~crowd, crowd


def anchor_targets(anchors, batch, config, priority):
    """Match and sample the anchors.

    Args:
        anchors: (A, 4) float32 xyxy.
        batch: the training batch.
        config: a MaskRCNNConfig.
        priority: (B, A) float32, see `balanced_sample`.

    Returns:
        A dict: labels (B, A) int32 of all anchors; of the S sampled ones indices (B, S) int32,
        is_positive and is_sampled (B, S) bool, deltas (B, S, 4) float32.
    """
    valid, crowd = objects_of(batch)
    everywhere = tf.broadcast_to(anchors[None], (tf.shape(valid)[0], tf.shape(anchors)[0], 4))
    labels, matched = match(
        everywhere, batch["boxes"], valid, crowd, config.rpn_positive_iou, config.rpn_negative_iou, keep_best=True
    )
    index, is_positive, is_sampled = balanced_sample(
        labels, priority, config.rpn_samples, config.rpn_positive_fraction
    )
    objects = tf.gather(batch["boxes"], tf.gather(matched, index, batch_dims=1), batch_dims=1)
    deltas = box_ops.encode(objects, tf.gather(anchors, index))
    return {
        "labels": labels,
        "indices": index,
        "is_positive": is_positive,
        "is_sampled": is_sampled,
        "deltas": tf.where(is_positive[..., None], deltas, 0.0),
    }


def roi_targets(proposals, count, batch, config, priority):
    """Match and sample the proposals, true boxes added, so that early training has positives.

    Args:
        proposals: (B, P, 4) float32 xyxy; count: (B,) int32, how many are real.
        batch, config: as above.
        priority: (B, P + G) float32, see `balanced_sample`.

    Returns:
        A dict: rois (B, S, 4), labels (B, S) int32 (0 background), matched (B, S) int32 into the
        batch's objects, deltas (B, S, 4), is_positive and is_sampled (B, S) bool; positives first.
    """
    valid, crowd = objects_of(batch)
    candidates = tf.concat([proposals, batch["boxes"]], axis=1)
    real = tf.concat([tf.range(tf.shape(proposals)[1])[None] < count[:, None], valid], axis=1)
    labels, matched = match(
        candidates, batch["boxes"], valid, crowd, config.roi_positive_iou, config.roi_positive_iou, keep_best=False
    )
    labels = tf.where(real, labels, IGNORED)
    index, is_positive, is_sampled = balanced_sample(
        labels, priority, config.roi_samples, config.roi_positive_fraction
    )
    rois = tf.gather(candidates, index, batch_dims=1)
    matched = tf.gather(matched, index, batch_dims=1)
    objects = tf.gather(batch["boxes"], matched, batch_dims=1)
    deltas = box_ops.encode(objects, rois, config.box_delta_std)
    classes = tf.gather(batch["labels"], matched, batch_dims=1)
    return {
        "rois": tf.stop_gradient(rois),
        "labels": tf.where(is_positive, classes, 0),
        "matched": matched,
        "deltas": tf.where(is_positive[..., None], deltas, 0.0),
        "is_positive": is_positive,
        "is_sampled": is_sampled,
    }


def mask_targets(masks, image_size, rois, picture, matched, size: int, config):
    """The true masks seen through each region: RoIAlign of the mask at scale 1.

    Args:
        masks: (B, G, H, W) uint8.
        image_size: (B, 2) float32 without padding; beyond it a mask's edge is repeated.
        rois: (P, 4) float32 xyxy; picture, matched: (P,) int32, whose G masks, which of them.
        size: bins along each side.
        config: `mask_target_sampling_ratio`, `mask_target_binary`.

    Returns:
        (P, size, size) float32 in [0, 1].
    """
    shape = tf.shape(masks)
    for axis in (2, 3):
        inside = tf.minimum(tf.range(shape[axis])[None], tf.cast(image_size[:, axis - 2, None], tf.int32) - 1)
        masks = tf.gather(masks, inside, axis=axis, batch_dims=1)
    flat = tf.reshape(masks, (-1, shape[2], shape[3], 1))
    which = picture * shape[1] + matched
    ratio = config.mask_target_sampling_ratio
    if ratio:
        found = align_one(flat, rois, which, 1.0, size, ratio, config.roi_aligned)
    else:
        found = tf.map_fn(
            lambda one: _adaptive(flat, one[0], one[1], size, config.roi_aligned),
            (rois, which),
            fn_output_signature=tf.TensorSpec((size, size, 1), tf.float32),
        )
    found = tf.reshape(found, (-1, size, size))
    return tf.cast(found >= 0.5, tf.float32) if config.mask_target_binary else found


def _adaptive(masks, roi, which, size, aligned):
    """RoIAlign of one region with ceil(side / size) samples a bin along each axis: (size, size, 1)."""
    width, height = box_ops.sides(roi)
    if not aligned:
        width, height = tf.maximum(width, 1.0), tf.maximum(height, 1.0)
    rows = tf.maximum(tf.cast(tf.math.ceil(height / size), tf.int32), 1)
    columns = tf.maximum(tf.cast(tf.math.ceil(width / size), tf.int32), 1)
    return align_one(masks, roi[None], which[None], 1.0, size, (rows, columns), aligned)[0]
