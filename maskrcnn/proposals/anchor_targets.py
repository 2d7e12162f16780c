"""What the RPN should answer: anchors matched to objects, and the balanced sample of them that trains it."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.proposals.matching import match, most_overlapped, objects_of
from maskrcnn.regions.sampling import balanced_sample


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
    labels, iou = match(
        anchors, batch["boxes"], valid, crowd, config.rpn_positive_iou, config.rpn_negative_iou, keep_best=True
    )
    index, is_positive, is_sampled = balanced_sample(
        labels, priority, config.rpn_samples, config.rpn_positive_fraction
    )
    objects = tf.gather(batch["boxes"], most_overlapped(iou, index), batch_dims=1)
    deltas = box_ops.encode(objects, tf.gather(anchors, index), config.rpn_delta_std)
    return {
        "labels": labels,
        "indices": index,
        "is_positive": is_positive,
        "is_sampled": is_sampled,
        "deltas": tf.where(is_positive[..., None], deltas, 0.0),
    }
