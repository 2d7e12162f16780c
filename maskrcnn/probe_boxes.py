"""The probe boxes of a training batch, drawn inside the compiled graph: on them each task's loss is its own.

They follow the rules of `maskrcnn.probe_rules` and depend on no proposal, so that no other task's answers move a loss.
"""

from __future__ import annotations

import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.box_overlap import aligned_iou, covered
from maskrcnn.probe_rules import (
    BACKGROUND_IOU,
    BACKGROUND_SIDES,
    BACKGROUNDS,
    CANDIDATES,
    JITTER_IOU,
    JITTERS,
    LIKE_AN_OBJECT,
)
from maskrcnn.proposals.matching import objects_of
from maskrcnn.regions.sampling import random_priority

_HALVINGS = 12
_JITTER_STREAM, _BACKGROUND_STREAM = 3, 4  # of the random numbers; training draws from 0 and 1


def picture_keys(batch):
    """(B,) int32, a number for each picture: a function of its boxes and its size, wherever it stands."""
    numbers = tf.concat([batch["image_size"], tf.reshape(batch["boxes"], (tf.shape(batch["boxes"])[0], -1))], axis=1)
    bits = tf.cast(tf.bitcast(numbers, tf.int32), tf.int64)  # of padding all 0
    odd = 2 * tf.range(tf.shape(bits)[1], dtype=tf.int64) + 1
    return tf.cast(tf.reduce_sum(bits * odd, axis=1) % (2**31 - 1), tf.int32)


def uniform(keys, shape, seed: int, stream: int):
    """(B, *shape) float32 in [0, 1), a function of each picture's key, the seed and the stream alone."""
    return tf.map_fn(lambda key: random_priority(shape, seed, key, stream), keys, fn_output_signature=tf.float32)


def probe_boxes(batch, seed: int = 0, extent=None):
    """Draw the probe boxes of every picture of a batch.

    Crowds are no objects here, but background boxes keep away from them. Distractors are not in a batch.

    Args:
        batch: a training batch (maskrcnn.data.batching.batch), G objects a picture.
        seed: int; with a picture's boxes and size it decides.
        extent: where the pictures lie in the padded ones, (B, 2) or (B, 4) as `boxes.clip` takes it; None: from 0 to
            the batch's `image_size`.

    Returns:
        A dict, K = G (1 + JITTERS) + BACKGROUNDS: boxes (B, K, 4) float32 xyxy px, true ones first, then
        jittered copies, then background; matched (B, K) int32, their object in the batch; labels (B, K) int32,
        0 for background; is_object, is_used (B, K) bool, false where there is no object or was no room.
    """
    extent = batch["image_size"] if extent is None else extent
    keys = picture_keys(batch)
    valid, crowd = objects_of(batch)
    pictures, count = tf.shape(valid)[0], tf.shape(valid)[1]
    copies, fits = _jittered(batch, valid, extent, uniform(keys, (count, JITTERS, 5), seed, _JITTER_STREAM))
    drawn = uniform(keys, (CANDIDATES, 5), seed, _BACKGROUND_STREAM)
    background, free = _background(batch, valid, crowd, extent, drawn)
    owner = tf.concat([tf.range(count), tf.repeat(tf.range(count), JITTERS)], axis=0)
    matched = tf.pad(tf.repeat(owner[None], pictures, axis=0), [[0, 0], [0, BACKGROUNDS]])
    is_object = tf.pad(tf.concat([valid, fits], axis=1), [[0, 0], [0, BACKGROUNDS]])
    return {
        "boxes": tf.concat([batch["boxes"], copies, background], axis=1),
        "matched": matched,
        "labels": tf.where(is_object, tf.gather(batch["labels"], matched, batch_dims=1), 0),
        "is_object": is_object,
        "is_used": tf.concat([valid, fits, free], axis=1),
    }


def _jittered(batch, valid, extent, drawn):
    """Copies (B, G J, 4) of every object and whether they serve (B, G J); `drawn` is (B, G, J, 5) uniform."""
    low, high = JITTER_IOU
    boxes = batch["boxes"][:, :, None]
    target = low + (high - low) * drawn[..., 4]
    # A direction in which the farthest corner moves by a whole side: along it the IoU falls from 1 to 0.5 or less.
    direction = 2 * drawn[..., :4] - 1
    direction /= tf.maximum(tf.reduce_max(tf.abs(direction), axis=-1, keepdims=True), 1e-6)
    width, height = box_ops.sides(boxes)
    direction *= tf.stack([width, height, width, height], axis=-1)
    near, far = tf.zeros_like(target), tf.ones_like(target)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        above = aligned_iou(boxes, boxes + middle[..., None] * direction) > target
        near, far = tf.where(above, middle, near), tf.where(above, far, middle)
    copies = box_ops.clip(boxes + near[..., None] * direction, extent)
    own = aligned_iou(boxes, copies)
    shape = tf.shape(own)
    flat = tf.reshape(copies, (shape[0], -1, 4))
    others = tf.where(valid[:, None], box_ops.iou(flat, batch["boxes"]), 0.0)
    own = tf.reshape(own, (shape[0], -1))
    # The object's own IoU is among the others', up to rounding.
    fits = (own >= low) & (own <= high) & (own >= tf.reduce_max(others, axis=-1) - 1e-4)
    return flat, fits & tf.repeat(valid, shape[2], axis=1)


def _background(batch, valid, crowd, extent, drawn):
    """Boxes (B, BACKGROUNDS, 4) away from everything and whether they serve; `drawn` is (B, K, 5) uniform."""
    whole = extent[:, ::-1] if extent.shape[-1] == 2 else extent[:, 2:] - extent[:, :2]
    size = whole[:, None]  # (B, 1, 2): width, height
    least, most = BACKGROUND_SIDES
    sides = size * tf.exp(tf.math.log(least) + drawn[..., :2] * tf.math.log(most / least))
    order = tf.argsort(tf.cast(~valid, tf.int32), axis=1, stable=True)
    objects = tf.reduce_sum(tf.cast(valid, tf.float32), axis=1)
    pick = tf.gather(order, tf.cast(drawn[..., 4] * objects[:, None], tf.int32), batch_dims=1)
    like = tf.stack(box_ops.sides(tf.gather(batch["boxes"], pick, batch_dims=1)), axis=-1)
    like *= tf.exp(LIKE_AN_OBJECT * (2 * drawn[..., :2] - 1))
    sized_like = (tf.range(CANDIDATES) % 2 == 0)[None] & (objects[:, None] > 0)
    sides = tf.clip_by_value(tf.where(sized_like[..., None], like, sides), tf.minimum(2.0, size), size)
    corner = drawn[..., 2:4] * (size - sides)
    if extent.shape[-1] == 4:
        corner += extent[:, None, :2]
    boxes = tf.concat([corner, corner + sides], axis=-1)

    overlaps = tf.where((valid | crowd)[:, None], box_ops.iou(boxes, batch["boxes"]), 0.0)
    # Inside a crowd nothing is background.
    overlaps = tf.maximum(overlaps, tf.where(crowd[:, None], covered(boxes, batch["boxes"]), 0.0))
    free = tf.reduce_max(overlaps, axis=-1) < BACKGROUND_IOU
    serves, index = tf.math.top_k(tf.cast(free, tf.int32), k=BACKGROUNDS)  # of equals the first
    return tf.gather(boxes, index, batch_dims=1), serves > 0
