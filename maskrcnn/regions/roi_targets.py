"""What the box head should answer: proposals matched to objects, and the balanced sample of them that trains it."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.proposals.matching import IGNORED, match, most_overlapped, objects_of
from maskrcnn.regions.sampling import balanced_sample


def roi_targets(proposals, count, batch, config, priority):
    """Match and sample the proposals, true boxes added, so that early training has positives.

    Args:
        proposals: (B, P, 4) float32 xyxy; count: (B,) int32, how many are real.
        batch: the training batch; config: a MaskRCNNConfig.
        priority: (B, P + G) float32, see `balanced_sample`.

    Returns:
        A dict: rois (B, S, 4), labels (B, S) int32 (0 background), matched (B, S) int32 into the
        batch's objects, deltas (B, S, 4), is_positive and is_sampled (B, S) bool; positives first.
    """
    valid, crowd = objects_of(batch)
    candidates = tf.concat([proposals, batch["boxes"]], axis=1)
    real = tf.concat([tf.range(tf.shape(proposals)[1])[None] < count[:, None], valid], axis=1)
    labels, iou = match(
        candidates, batch["boxes"], valid, crowd, config.roi_positive_iou, config.roi_positive_iou, keep_best=False
    )
    labels = tf.where(real, labels, IGNORED)
    index, is_positive, is_sampled = balanced_sample(
        labels, priority, config.roi_samples, config.roi_positive_fraction
    )
    rois = tf.gather(candidates, index, batch_dims=1)
    matched = most_overlapped(iou, index)
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
