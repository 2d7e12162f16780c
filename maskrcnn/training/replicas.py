"""One batch on several devices (tf.distribute): what each replica must know of the whole, to train as one device would.

Keras sums the replicas' gradients. A loss that divides by a count of the whole batch is therefore that of one device,
and a picture's random numbers are those of its place in the whole batch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf


class Share(NamedTuple):
    """The pictures of one replica among those of the whole batch; int32 scalars."""

    count: Any  # pictures here
    first: Any  # place of the first of them in the whole batch
    whole: Any  # pictures of the whole batch


def replica_count() -> int:
    """How many replicas run what is being traced; 1 without a strategy, and outside its replicas."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def total(value):
    """The sum of a tensor over all replicas; the tensor itself where there is one."""
    if replica_count() == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def share_of(batch) -> Share | None:
    """This replica's share of the whole batch, whose pictures lie replica after replica; None where there is one."""
    replicas = replica_count()
    if replicas == 1:
        return None
    here = tf.distribute.get_replica_context().replica_id_in_sync_group
    count = tf.shape(batch["labels"])[0]
    # Floats: collectives of integers are not there on every device.
    counts = tf.cast(total(tf.one_hot(here, replicas) * tf.cast(count, tf.float32)), tf.int32)
    return Share(count, tf.reduce_sum(tf.where(tf.range(replicas) < here, counts, 0)), tf.reduce_sum(counts))


def never_empty(batch):
    """The batch, or one blank picture of one pixel without objects where the replica was given none.

    The last batch of a pass may be too small for all replicas, and TensorFlow cannot convolve nothing.
    """
    missing = 1 - tf.minimum(tf.shape(batch["labels"])[0], 1)
    return {
        key: tf.pad(value, [[0, missing], *[[0, 0]] * (value.shape.rank - 1)], constant_values=int(key == "image_size"))
        for key, value in batch.items()
    }
