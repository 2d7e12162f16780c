"""From the RPN's answers to region proposals."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.proposals.nms import grouped_nms


def candidates(logits, deltas, anchors, image_size, *, pre_nms, min_side, delta_std=(1.0,) * 4, together=False):
    """The best anchors of each level, moved as the RPN asks: what the suppression chooses from.

    Args:
        logits, deltas, anchors, image_size, pre_nms, min_side, delta_std, together: see `propose`.

    Returns:
        boxes (B, K, 4) float32 xyxy in the picture, level by level, best first in each; scores (B, K, L) float32, 0 but
        for the box's own level, and 0 there as well where a side is shorter than `min_side`; and rows (B, K) int32 of
        all anchors, the levels' one after another.
    """
    if together:
        logits, deltas, anchors = [tf.concat(logits, 1)], [tf.concat(deltas, 1)], [tf.concat(anchors, 0)]
    best_logits, rows, counts, first = [], [], [], 0
    for level_logits in logits:
        size = tf.shape(level_logits)[1] if level_logits.shape[1] is None else level_logits.shape[1]
        count = tf.minimum(pre_nms, size) if tf.is_tensor(size) else min(pre_nms, size)
        best, index = tf.math.top_k(level_logits, k=count)
        best_logits.append(best)
        rows.append(first + index)
        counts.append(count)
        first += size
    # From here on all levels together: on few boxes the number of operations costs more than the work.
    scores, rows = tf.concat(best_logits, axis=1), tf.concat(rows, axis=1)
    boxes = box_ops.decode(
        tf.gather(tf.concat(deltas, axis=1), rows, batch_dims=1), tf.gather(tf.concat(anchors, axis=0), rows), delta_std
    )
    boxes = box_ops.clip(boxes, image_size)
    width, height = box_ops.sides(boxes)
    # Positive, as the suppression asks, and unlike a sigmoid without ties among confident anchors.
    scores = tf.where((width >= min_side) & (height >= min_side), tf.math.softplus(scores), 0.0)
    level = tf.concat([tf.fill([count], number) for number, count in enumerate(counts)], axis=0)
    of_level = tf.one_hot(level, len(logits), on_value=True, off_value=False)
    return boxes, tf.where(of_level[None], scores[..., None], 0.0), rows


def propose(
    logits, deltas, anchors, image_size, *, pre_nms, post_nms, nms_iou, min_side, delta_std=(1.0,) * 4,
    together=False, static_shapes=False,
):  # fmt: skip
    """The best boxes of each level, without near copies of one another. No gradient passes.

    Args:
        logits: a list with one (B, A_l) float32 tensor a level, objectness.
        deltas: a list of (B, A_l, 4) float32.
        anchors: a list of (A_l, 4) float32 xyxy.
        image_size: (B, 2) float32, height and width of the pictures without padding; or (B, 4), see `boxes.clip`.
        pre_nms: kept by score on each level.
        post_nms: kept over all levels after suppression within each level.
        nms_iou, min_side: of the suppression; of the boxes, px.
        delta_std: deltas are in units of it.
        together: the levels count as one: `pre_nms` are kept of all of them, and suppress each other.
        static_shapes: see `grouped_nms`.

    Returns:
        boxes (B, post_nms, 4) float32 xyxy in the picture, scores (B, post_nms) in [0, 1] and count (B,) int32;
        best first, zeros after the first `count`.
    """
    boxes, scores, _ = candidates(
        logits, deltas, anchors, image_size,
        pre_nms=pre_nms, min_side=min_side, delta_std=delta_std, together=together,
    )  # fmt: skip
    boxes, scores, _, count = grouped_nms(
        boxes[:, :, None], scores, nms_iou, post_nms, min_score=0.0, static_shapes=static_shapes
    )
    return tf.stop_gradient(boxes), tf.stop_gradient(objectness(scores)), count


def objectness(scores):
    """Probabilities in [0, 1] of the scores, which are the softplus of the logits, that suppression sorts by."""
    return 1.0 - tf.exp(-scores)
