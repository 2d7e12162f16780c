"""What the layers without weights have in common: boxes in pixels, which do not fit into half precision."""

from __future__ import annotations

import keras
import tensorflow as tf


def reads_numbers(call, trace) -> None:
    """The channel rule for `pruning`: what comes in are numbers with a meaning, which stay; channels end here."""
    for tensor in call.inputs:
        trace.lock(trace.channels(tensor), f"read as numbers by {call.path}")
    for output in call.outputs:
        trace.give(output, None, call)


class BoxLayer(keras.layers.Layer):
    """Computes in float32 whatever the policy, is no part of an XLA computation, and has no channels.

    Attributes:
        settings: names of the arguments that `get_config` writes.
    """

    channel_rule = staticmethod(reads_numbers)
    settings: tuple[str, ...] = ()

    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.supports_jit = False  # how many boxes there are depends on the pictures

    def get_config(self):
        return super().get_config() | {name: getattr(self, name) for name in self.settings}


def picture_sizes(picture):
    """(B, 2) float32, height and width: of pictures (B, H, W, C), or of the sizes (B, 2) themselves."""
    if len(picture.shape) == 2:
        return tf.cast(picture, tf.float32)
    shape = tf.shape(picture)
    return tf.repeat(tf.cast(shape[None, 1:3], tf.float32), shape[0], axis=0)


def objects(boxes, labels, crowd=None) -> dict:
    """The part of a training batch that says what is in the pictures; no crowds if None."""
    labels = tf.cast(labels, tf.int32)
    crowd = tf.zeros_like(labels, tf.bool) if crowd is None else tf.cast(crowd, tf.bool)
    return {"boxes": tf.cast(boxes, tf.float32), "labels": labels, "crowd": crowd}


def count_boxes(boxes):
    """How many of the boxes (B, N, 4) are real, (B,) int32: they come first, empty slots are zero."""
    return tf.reduce_sum(tf.cast(tf.reduce_any(boxes != 0, axis=-1), tf.int32), axis=1)
