"""Which object an anchor or a region stands for."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn import boxes as box_ops

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1
CROWD_IOU = 1e-3  # from here on a box touches a crowd, which may hide objects: it is no negative


def objects_of(batch):
    """(valid, crowd) of a batch, each (B, G) bool: a crowd is no object to find."""
    crowd = tf.cast(batch["crowd"], tf.bool)
    return (batch["labels"] > 0) & ~crowd, crowd


def match(candidates, objects, valid, crowd, positive_iou, negative_iou, keep_best: bool):
    """Match each candidate box to the object that it overlaps most.

    Args:
        candidates: (B, N, 4) or, the same for every picture, (N, 4) float32 xyxy.
        objects: (B, G, 4) float32 xyxy.
        valid: (B, G) bool, false for padding and crowds.
        crowd: (B, G) bool.
        positive_iou: from here on a candidate is positive.
        negative_iou: below it a candidate is negative; between the two it is ignored.
        keep_best: for each object, its best candidates (all of them, where they tie) are positive
            whatever their IoU. Each keeps the object that it overlaps most itself.

    Returns:
        labels (B, N) int32 of POSITIVE, NEGATIVE, IGNORED, and iou (B, G, N) float32, -1 where an object is not valid:
        see `most_overlapped`.
    """
    # Candidates last: they are thousands and objects a handful, and arithmetic runs along the last axis.
    overlaps = box_ops.iou(objects, candidates)
    known = tf.cast(valid, overlaps.dtype)[..., None]
    iou = overlaps * known + (known - 1.0)
    best = tf.reduce_max(iou, axis=1)
    positive = best >= positive_iou
    if keep_best:
        best_of_object = tf.reduce_max(iou, axis=2, keepdims=True)
        positive |= tf.reduce_any(iou == tf.where(best_of_object > 0, best_of_object, float("inf")), axis=1)
    on_crowd = tf.cond(
        tf.reduce_any(crowd),
        lambda: tf.reduce_any(tf.where(crowd[..., None], overlaps, 0.0) >= CROWD_IOU, axis=1),
        lambda: tf.zeros_like(positive),
    )
    negative = (best < negative_iou) & ~on_crowd
    return tf.where(positive, POSITIVE, tf.where(negative, NEGATIVE, IGNORED)), iou


def most_overlapped(iou, index):
    """The object that some candidates overlap most, of equals the first; 0 where there is none.

    Args:
        iou: (B, G, N), of `match`; index: (B, S) int32, which candidates.

    Returns:
        (B, S) int32 into the objects.
    """
    return tf.argmax(tf.gather(iou, index, axis=2, batch_dims=1), axis=1, output_type=tf.int32)
