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
    """The same by one suppression a picture: every group is moved to a place of its own."""
    groups = scores.shape[-1]
    boxes = tf.broadcast_to(boxes, tf.concat([tf.shape(scores), [4]], axis=0))
    known = scores.shape[1] is not None
    candidates = scores.shape[1] if known else tf.shape(scores)[1]
    count_all = candidates * groups
    flat_boxes = tf.reshape(boxes, (-1, count_all, 4))
    flat_scores = tf.reshape(scores, (-1, count_all))
    group = tf.tile(tf.range(groups), [candidates])
    extent = tf.reduce_max(flat_boxes, axis=(1, 2), keepdims=True) + 1.0
    moved = flat_boxes + extent * tf.cast(group, tf.float32)[None, :, None]
    size = min(max_output, count_all) if known else tf.minimum(max_output, count_all)

    def suppress(picture):
        index, count = tf.image.non_max_suppression_padded(
            picture[0], picture[1], size, iou_threshold, min_score, pad_to_max_output_size=True
        )
        return index, count

    index, count = tf.map_fn(
        suppress,
        (moved, flat_scores),
        fn_output_signature=(tf.TensorSpec((size if known else None,), tf.int32), tf.TensorSpec((), tf.int32)),
    )
    kept = tf.range(size)[None] < count[:, None]
    pad = [[0, 0], [0, max_output - size]]
    out_boxes = tf.where(kept[..., None], tf.gather(flat_boxes, index, batch_dims=1), 0.0)
    out_scores = tf.where(kept, tf.gather(flat_scores, index, batch_dims=1), 0.0)
    out_groups = tf.where(kept, tf.gather(group, index), 0)
    return tf.pad(out_boxes, [*pad, [0, 0]]), tf.pad(out_scores, pad), tf.pad(out_groups, pad), count
