"""What the network answers in training, beside what it should answer."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn.network.forward import Forward, of_class
from maskrcnn.probe_boxes import picture_keys, uniform
from maskrcnn.proposals.anchor_targets import anchor_targets
from maskrcnn.regions.mask_targets import mask_targets
from maskrcnn.regions.roi_targets import roi_targets
from maskrcnn.regions.sampling import random_priority
from maskrcnn.training.replicas import Share


def training_answers(forward: Forward, batch, step, priorities=None, share: Share | None = None):
    """Everything the five losses are made of: answers on sampled anchors and regions, beside their targets.

    Args:
        forward: the network on the batch's pictures.
        batch: the training batch (maskrcnn.data).
        step: int scalar that, with the config's seed and a picture's place in the batch, decides the samples; None:
            the picture's own boxes and size do, so that the same pictures always give the same losses.
        priorities: two functions `shape -> float32 tensor`, for anchors and regions, that replace the random
            priorities; a test gives the index here.
        share: of a replica in the whole batch, if there are several.

    Returns:
        A dict of dicts of tensors, keys anchors, rois, masks and proposals; and under maps, a list of what the box head
        reads: the pyramid's levels.
    """
    config = forward.config
    draw_anchors, draw_rois = priorities or (_draws(batch, config.seed, step, share, stream) for stream in (0, 1))
    logits, deltas = tf.concat(forward.rpn_logits, axis=1), tf.concat(forward.rpn_deltas, axis=1)
    anchors = anchor_targets(
        tf.concat(forward.anchors, axis=0), batch, config, draw_anchors(tf.shape(logits))
    )
    anchors["logits"] = tf.gather(logits, anchors["indices"], batch_dims=1)
    anchors["answer"] = tf.gather(deltas, anchors["indices"], batch_dims=1)

    boxes, _, count = forward.proposals(for_training=True)
    candidates = tf.stack([tf.shape(boxes)[0], tf.shape(boxes)[1] + tf.shape(batch["boxes"])[1]])
    rois = roi_targets(boxes, count, batch, config, draw_rois(candidates))
    rois["logits"], all_deltas = forward.classify(rois["rois"])
    rois["answer"] = tf.gather(all_deltas, rois["labels"], batch_dims=2)
    if share is not None:  # a picture that stands in for none is not sampled
        anchors["is_sampled"] &= share.count > 0
        rois["is_sampled"] &= share.count > 0
    return {
        "anchors": anchors,
        "rois": rois,
        "masks": _mask_answers(forward, batch, rois),
        "proposals": {"boxes": boxes, "count": count},
        "maps": forward.maps,
    }


def answers_about(forward: Forward, answers):
    """What another network answers about the same samples: anchors, regions and masks of `training_answers`.

    Args:
        forward: the other network on the same pictures.
        answers: of `training_answers`; its samples, labels and places are used, not its answers.

    Returns:
        As `training_answers`, with only the other's logits, answers and maps.
    """
    anchors, rois, masks = answers["anchors"], answers["rois"], answers["masks"]
    logits, deltas = tf.concat(forward.rpn_logits, axis=1), tf.concat(forward.rpn_deltas, axis=1)
    class_logits, all_deltas = forward.classify(rois["rois"])
    return {
        "anchors": {
            "logits": tf.gather(logits, anchors["indices"], batch_dims=1),
            "answer": tf.gather(deltas, anchors["indices"], batch_dims=1),
        },
        "rois": {"logits": class_logits, "answer": tf.gather(all_deltas, rois["labels"], batch_dims=2)},
        "masks": {"logits": of_class(forward.segment(masks["boxes"], masks["picture"]), masks["labels"])},
        "maps": forward.maps,
    }


def _draws(batch, seed, step, share, stream):
    """A function (B, N) -> random priorities of the batch's B pictures."""
    if step is None:
        return lambda shape: uniform(picture_keys(batch), shape[1:], seed, stream)
    if share is None:
        return lambda shape: random_priority(shape, seed, step, stream)

    def of_whole(shape):
        whole = tf.stack([tf.maximum(share.whole, shape[0]), shape[1]])
        first = tf.minimum(share.first, whole[0] - shape[0])  # also of a stand-in behind the last picture
        return random_priority(whole, seed, step, stream)[first : first + shape[0]]

    return of_whole


def _mask_answers(forward, batch, rois):
    """Mask logits and targets of the positive regions; those that stand in for none have no weight."""
    positive = rois["is_positive"]
    if forward.static_shapes:  # as many as there may be
        most = max(1, int(forward.config.roi_samples * forward.config.roi_positive_fraction))
        slots = tf.range(most)[None] + tf.zeros_like(rois["matched"][:, :1])
        pictures = tf.range(tf.shape(positive)[0])[:, None] + tf.zeros_like(slots)
        where = tf.reshape(tf.stack([pictures, slots], axis=-1), (-1, 2))
    else:
        # As many as there are, but one: the gradient of a convolution over nothing is an error in TensorFlow.
        stand_in = tf.scatter_nd([[0, 0]], [~tf.reduce_any(positive)], tf.shape(positive))
        where = tf.cast(tf.where(positive | stand_in), tf.int32)
    boxes, picture = tf.gather_nd(rois["rois"], where), where[:, 0]
    labels = tf.gather_nd(rois["labels"], where)
    logits = of_class(forward.segment(boxes, picture), labels)
    matched = tf.gather_nd(rois["matched"], where)
    size = logits.shape[1]
    targets = mask_targets(batch, boxes, picture, matched, size, forward.config, forward.static_shapes)
    weights = tf.cast(tf.gather_nd(positive, where), tf.float32)
    about = {"boxes": boxes, "picture": picture, "labels": labels}
    return {"logits": logits, "targets": targets, "weights": weights, **about}
