"""Non-maximum suppression within groups (pyramid levels, classes), over a batch."""

from __future__ import annotations

import tensorflow as tf


def grouped_nms(boxes, scores, iou_threshold: float, max_output: int, min_score, static_shapes: bool = False):
    """Suppress boxes that overlap a better one of the same group; keep the best over all groups.

    Args:
        boxes: (B, N, Q, 4) float32 xyxy; Q is the number of groups C, or 1 where a candidate has one
            box for all groups.
        scores: (B, N, C) float32, positive; 0 where the candidate is not of the group.
        iou_threshold: a box that overlaps a kept one by more than this is suppressed.
        max_output: boxes kept of a picture.
        min_score: only scores above it are looked at; at least 0.
        static_shapes: the form that XLA compiles and LiteRT converts; otherwise one fused operation.

    Returns:
        boxes (B, max_output, 4), scores (B, max_output), groups (B, max_output) int32 and count (B,)
        int32: best first, zeros after the first `count`.
    """
    if static_shapes:
        return _static_nms(boxes, scores, iou_threshold, max_output, min_score)
    boxes, scores, groups, count = tf.image.combined_non_max_suppression(
        boxes,
        scores,
        max_output_size_per_class=max_output,
        max_total_size=max_output,
        iou_threshold=iou_threshold,
        score_threshold=min_score,
        clip_boxes=False,
    )
    return boxes, scores, tf.cast(groups, tf.int32), count


def _static_nms(boxes, scores, iou_threshold, max_output, min_score):
    """The same by one suppression a group and picture, and the best of them all.

    All groups in one, each moved to a place of its own, would be fewer operations; but large coordinates round, and
    then other boxes overlap by more than the threshold.
    """
    groups, shared = scores.shape[-1], boxes.shape[2] == 1
    number = tf.shape(scores)[1] if scores.shape[1] is None else scores.shape[1]
    most = tf.minimum(max_output, number) if tf.is_tensor(number) else min(max_output, number)

    def best(picture):
        boxes, scores = picture
        rows, counts = [], []
        for group in range(groups):
            row, count = tf.raw_ops.NonMaxSuppressionV4(
                boxes=boxes[:, 0 if shared else group], scores=scores[:, group], max_output_size=most,
                iou_threshold=iou_threshold, score_threshold=tf.cast(min_score, tf.float32),
                pad_to_max_output_size=True,
            )  # fmt: skip
            rows.append(row)
            counts.append(count)
        row, of_group = tf.reshape(tf.stack(rows), (-1,)), tf.repeat(tf.range(groups), most)
        real = tf.reshape(tf.range(most)[None] < tf.stack(counts)[:, None], (-1,))
        flat = tf.reshape(scores, (-1,))
        kept = tf.where(real, tf.gather(flat, row * groups + of_group), -1.0)
        size = tf.minimum(max_output, groups * most) if tf.is_tensor(most) else min(max_output, groups * most)
        found, order = tf.math.top_k(kept, size)
        count = tf.minimum(tf.reduce_sum(tf.stack(counts)), size)
        real, pad = tf.range(size) < count, [[0, max_output - size]]
        row, of_group = tf.gather(row, order), tf.gather(of_group, order)
        place = row if shared else row * groups + of_group
        out_boxes = tf.where(real[:, None], tf.gather(tf.reshape(boxes, (-1, 4)), place), 0.0)
        out_scores, out_groups = tf.where(real, found, 0.0), tf.where(real, of_group, 0)
        return tf.pad(out_boxes, [*pad, [0, 0]]), tf.pad(out_scores, pad), tf.pad(out_groups, pad), count

    if scores.shape[0] == 1:  # without a loop, which runtimes run slowly or not at all
        return tuple(found[None] for found in best((boxes[0], scores[0])))
    kinds = (((max_output, 4), tf.float32), ((max_output,), tf.float32), ((max_output,), tf.int32), ((), tf.int32))
    return tf.map_fn(best, (boxes, scores), fn_output_signature=tuple(tf.TensorSpec(*kind) for kind in kinds))
