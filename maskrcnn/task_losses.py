"""Each task's loss by itself, on probe boxes instead of sampled regions: what saliency and budgets are made of.

On sampled regions the losses are biased under pruning: which boxes are drawn depends on the proposals, and since
true boxes are among them, a dead RPN leaves easy positives.
"""

from __future__ import annotations

import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn import losses as loss_ops
from maskrcnn.network.forward import Forward, of_class
from maskrcnn.probe_boxes import picture_keys, probe_boxes, uniform
from maskrcnn.proposals.anchor_targets import anchor_targets
from maskrcnn.proposals.matching import objects_of
from maskrcnn.regions.mask_targets import mask_targets

_ANCHOR_STREAM = 2


def task_losses(forward: Forward, batch, seed: int = 0) -> dict:
    """The loss of each task: the mean over the batch's pictures of the picture's own loss.

    Args:
        forward: the network on the batch's pictures.
        batch: the training batch (maskrcnn.data.batching.batch).
        seed: with each picture's boxes and size it decides the anchors and probe boxes, so that the same batch
            always gives the same losses, and so do its pictures one by one.

    Returns:
        A dict of float32 scalars. "proposal": the two losses of the RPN on sampled anchors, as in training;
        "class": cross-entropy on true, jittered and background boxes; "bbox": smooth L1 on true and jittered
        boxes, deltas of the true class; "mask": cross-entropy on true boxes, mask of the true class. A picture
        without objects counts 0 for bbox and mask.
    """
    probes = probe_boxes(batch, seed, forward.extent)
    logits, deltas = forward.classify(tf.stop_gradient(probes["boxes"]))
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(probes["labels"], logits)
    return {
        "proposal": _proposal(forward, batch, seed),
        "bbox": _bbox(forward.config, batch, probes, deltas),
        "class": _mean(entropy, _shares(probes["is_used"])),
        "mask": _mask(forward, batch),
    }


def _shares(chosen):
    """(B, N) float32: what each chosen one of (B, N) weighs in the mean over pictures of their means."""
    weights = tf.cast(chosen, tf.float32)
    pictures = tf.cast(tf.shape(chosen)[0], tf.float32)
    return tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=1, keepdims=True) * pictures)


def _mean(values, shares):
    return tf.reduce_sum(tf.where(shares > 0, values, 0.0) * shares)


def _proposal(forward, batch, seed):
    config = forward.config
    logits, deltas = tf.concat(forward.rpn_logits, axis=1), tf.concat(forward.rpn_deltas, axis=1)
    anchors = tf.concat(forward.anchors, axis=0)
    priority = uniform(picture_keys(batch), tf.shape(anchors)[:1], seed, _ANCHOR_STREAM)
    targets = anchor_targets(anchors, batch, config, priority)
    logits = tf.gather(logits, targets["indices"], batch_dims=1)
    deltas = tf.gather(deltas, targets["indices"], batch_dims=1)
    shares = _shares(targets["is_sampled"])
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(targets["is_positive"], tf.float32), logits)
    distance = tf.reduce_sum(loss_ops.smooth_l1(targets["deltas"], deltas, config.huber_delta), axis=-1)
    return _mean(entropy, shares) + _mean(distance, tf.where(targets["is_positive"], shares, 0.0))


def _bbox(config, batch, probes, deltas):
    answer = tf.gather(deltas, probes["labels"], batch_dims=2)
    objects = tf.gather(batch["boxes"], probes["matched"], batch_dims=1)
    targets = box_ops.encode(objects, probes["boxes"], config.box_delta_std)
    targets = tf.where(probes["is_object"][..., None], targets, 0.0)
    distance = tf.reduce_sum(loss_ops.smooth_l1(targets, answer, config.huber_delta), axis=-1)
    return _mean(distance, _shares(probes["is_object"]))


def _mask(forward, batch):
    valid, _ = objects_of(batch)
    # One more, of no weight: the gradient of a convolution over nothing is an error in TensorFlow.
    where = tf.concat([tf.cast(tf.where(valid), tf.int32), [[0, 0]]], axis=0)
    shares = tf.concat([tf.boolean_mask(_shares(valid), valid), [0.0]], axis=0)
    boxes, picture, matched = tf.gather_nd(batch["boxes"], where), where[:, 0], where[:, 1]
    logits = of_class(forward.segment(boxes, picture), tf.gather_nd(batch["labels"], where))
    targets = mask_targets(batch, boxes, picture, matched, logits.shape[1], forward.config)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    return _mean(tf.reduce_mean(entropy, axis=(1, 2)), shares)
