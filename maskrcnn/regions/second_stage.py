"""From the second stage's answers to detections, inside the graph."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.network.forward import Forward, of_class
from maskrcnn.proposals.nms import grouped_nms

MIN_SIDE = 1e-2  # px; a thinner box is no detection


def refine(forward: Forward, rois, deltas):
    """The box that each class asks for: rois (B, N, 4), deltas (B, N, C + 1, 4) to (B, N, C + 1, 4)."""
    boxes = box_ops.decode(deltas, rois[:, :, None], forward.config.box_delta_std)
    return box_ops.clip(boxes, forward.extent)


def second_stage(forward: Forward, proposals):
    """Class probabilities (B, P, C + 1), zero for empty slots, and boxes (B, P, C + 1, 4) of the proposals."""
    rois, _, count = proposals
    logits, deltas = forward.classify(rois)
    real = tf.range(tf.shape(rois)[1])[None] < count[:, None]
    probs = tf.where(real[..., None], tf.nn.softmax(logits), 0.0)
    return probs, refine(forward, rois, deltas)


def detect_boxes(forward: Forward, probs, boxes, min_score, max_detections):
    """Detections of each class, near copies suppressed class by class.

    Args:
        probs, boxes: see `second_stage`.
        min_score: scores have to be above it.
        max_detections: kept of a picture.

    Returns:
        boxes (B, D, 4), scores (B, D), labels (B, D) int32 from 1 and count (B,): best first.
    """
    config = forward.config
    if config.one_class_per_region:
        likeliest = tf.one_hot(tf.argmax(probs, axis=-1), tf.shape(probs)[-1], on_value=True, off_value=False)
        probs = tf.where(likeliest, probs, 0.0)
    boxes, scores = boxes[:, :, 1:], _of_size(boxes[:, :, 1:], probs[:, :, 1:], config)
    if config.flat_box_ends_class:
        best_flat = tf.reduce_max(tf.where(box_ops.area(boxes) > 0, 0.0, scores), axis=1, keepdims=True)
        scores = tf.where(scores >= best_flat, scores, 0.0)
    found, scores, classes, count = grouped_nms(
        boxes, scores, config.detection_nms_iou, max_detections, min_score, forward.static_shapes
    )
    return found, scores, classes + 1, count


def detect_class_agnostic(forward: Forward, probs, boxes, min_score, max_detections):
    """Detections whatever their class: the box of the best class, scored 1 - p(background).

    Returns:
        boxes (B, D, 4), scores (B, D) and count (B,): best first.
    """
    best = tf.argmax(probs[:, :, 1:], axis=-1, output_type=tf.int32) + 1
    boxes = tf.gather(boxes, best, batch_dims=2)[:, :, None]
    scores = _of_size(boxes, tf.reduce_sum(probs[:, :, 1:], axis=-1, keepdims=True), forward.config)
    found, scores, _, count = grouped_nms(
        boxes, scores, forward.config.detection_nms_iou, max_detections, min_score, forward.static_shapes
    )
    return found, scores, count


def _of_size(boxes, scores, config):
    """Scores, zero where the box is thinner than MIN_SIDE; one that ends at its last pixel never is."""
    if config.box_last_pixel:
        return scores
    width, height = box_ops.sides(boxes)
    return tf.where((width >= MIN_SIDE) & (height >= MIN_SIDE), scores, 0.0)


def detect_masks(forward: Forward, boxes, labels, count):
    """Mask probabilities of the detections: on the actual ones alone, unless shapes have to be fixed.

    Args:
        boxes: (B, D, 4); labels: (B, D) int32; count: (B,) int32.

    Returns:
        (sum of count, 28, 28) float32, picture by picture; (B * D, 28, 28) with fixed shapes.
    """
    size = tf.shape(labels)
    picture = tf.repeat(tf.range(size[0]), size[1])
    flat_boxes, flat_labels = tf.reshape(boxes, (-1, 4)), tf.reshape(labels, (-1,))
    if not forward.static_shapes:
        real = tf.where(tf.reshape(tf.range(size[1])[None] < count[:, None], (-1,)))[:, 0]
        flat_boxes, flat_labels, picture = (tf.gather(x, real) for x in (flat_boxes, flat_labels, picture))
    return tf.sigmoid(of_class(forward.segment(flat_boxes, picture), flat_labels))
