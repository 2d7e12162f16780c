"""The five losses of Mask R-CNN. All are float32 scalars; nothing here knows a model."""

from __future__ import annotations

import keras
import tensorflow as tf

from maskrcnn.training.replicas import total

# The five, under the names that users of Matterport's code know.
NAMES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
# Which of them train which task.
TASK_LOSSES = {
    "proposal": ("rpn_class_loss", "rpn_bbox_loss"),
    "bbox": ("mrcnn_bbox_loss",),
    "class": ("mrcnn_class_loss",),
    "mask": ("mrcnn_mask_loss",),
}


def _mean(values, weights, count):
    """Sum of weighted values over the count of the whole batch; zero where that is. Replicas sum to the batch's."""
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), total(count))


def smooth_l1(target, answer, delta):
    """Smooth L1, summed over the last axis: quadratic within `delta`, slope 1 beyond it."""
    huber = keras.losses.Huber(delta=delta, reduction=None)
    return huber(target[..., None], answer[..., None]) / delta


def objectness_loss(logits, is_positive, is_sampled):
    """Binary cross-entropy, mean over the sampled anchors.

    Args:
        logits: (B, S) float32; is_positive, is_sampled: (B, S) bool.
    """
    sampled = tf.cast(is_sampled, tf.float32)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(is_positive, tf.float32), logits)
    return _mean(entropy, sampled, tf.reduce_sum(sampled))


def class_loss(logits, labels, is_sampled, class_weight=None):
    """Softmax cross-entropy, mean over the sampled regions.

    Args:
        logits: (B, S, C + 1) float32; labels: (B, S) int32, 0 is the background; is_sampled: (B, S) bool.
        class_weight: C + 1 floats that regions weigh by their label; the mean still divides by their count, as Keras's
            does. None: 1 each.
    """
    sampled = tf.cast(is_sampled, tf.float32)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if class_weight is not None:
        entropy *= tf.gather(tf.constant(class_weight, tf.float32), labels)
    return _mean(entropy, sampled, tf.reduce_sum(sampled))


def box_loss(deltas, targets, is_positive, is_sampled, delta):
    """Smooth L1 over the positives, divided by the count of ALL samples, so that it is small where few match.

    Args:
        deltas, targets: (B, S, 4) float32; is_positive, is_sampled: (B, S) bool; delta: see `smooth_l1`.
    """
    loss = tf.reduce_sum(smooth_l1(targets, deltas, delta), axis=-1)
    return _mean(loss, tf.cast(is_positive, tf.float32), tf.reduce_sum(tf.cast(is_sampled, tf.float32)))


def mask_loss(logits, targets, weights):
    """Binary cross-entropy of the true class's mask, mean over the positives' pixels.

    Args:
        logits, targets: (P, h, w) float32; weights: (P,) float32, 0 for a region that stands in for none.
    """
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    pixels = tf.cast(tf.shape(logits)[1] * tf.shape(logits)[2], tf.float32)
    return _mean(entropy, weights[:, None, None], tf.reduce_sum(weights) * pixels)


def all_losses(answers, delta, class_weight=None) -> dict:
    """The five losses, by NAMES, from the answers of `training_answers`.

    On several replicas each gives its part of them: their sum is the loss of the whole batch.

    Args:
        answers: of `training_answers`; delta: of the box losses; class_weight: see `class_loss`.
    """
    anchors, rois, masks = answers["anchors"], answers["rois"], answers["masks"]
    return {
        "rpn_class_loss": objectness_loss(anchors["logits"], anchors["is_positive"], anchors["is_sampled"]),
        "rpn_bbox_loss": box_loss(
            anchors["answer"], anchors["deltas"], anchors["is_positive"], anchors["is_sampled"], delta
        ),
        "mrcnn_class_loss": class_loss(rois["logits"], rois["labels"], rois["is_sampled"], class_weight),
        "mrcnn_bbox_loss": box_loss(rois["answer"], rois["deltas"], rois["is_positive"], rois["is_sampled"], delta),
        "mrcnn_mask_loss": mask_loss(masks["logits"], masks["targets"], masks["weights"]),
    }
