"""Balanced samples of positive and negative candidates, drawn without state."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn.proposals.matching import NEGATIVE, POSITIVE


def random_priority(shape, seed: int, step, stream: int):
    """Priorities (lower is taken first) that depend on the seed, the step and the stream alone."""
    key = tf.stack([tf.cast(seed, tf.int32) * 8 + stream, tf.cast(step, tf.int32)])
    return tf.random.stateless_uniform(shape, key)  # under XLA others, as stateless


def balanced_sample(labels, priority, count: int, positive_fraction: float):
    """Draw `count` candidates a picture, at most the given fraction of them positive.

    Args:
        labels: (B, N) int32 of POSITIVE, NEGATIVE, IGNORED.
        priority: (B, N) float32; those with the lowest are taken. Its order decides everything: a
            random one gives a random sample, the index gives the first candidates.
        count: slots a picture; some stay empty where there are too few candidates.
        positive_fraction: of the slots.

    Returns:
        indices (B, count) int32 into the candidates, positives first; is_positive and is_sampled
        (B, count) bool. Empty slots have index 0.
    """
    size = tf.shape(labels)[1]
    indices, counts = [], []
    for kind, limit in ((POSITIVE, int(count * positive_fraction)), (NEGATIVE, count)):
        members = labels == kind
        slots = tf.minimum(limit, size)
        _, index = tf.math.top_k(tf.where(members, -priority, -float("inf")), k=slots)
        indices.append(tf.pad(index, [[0, 0], [0, count - slots]]))
        counts.append(tf.minimum(tf.reduce_sum(tf.cast(members, tf.int32), axis=1, keepdims=True), limit))
    positives, negatives = counts
    negatives = tf.minimum(negatives, count - positives)
    slot = tf.range(count)[None]
    is_positive = slot < positives
    is_sampled = slot < positives + negatives
    after = tf.gather(indices[1], tf.maximum(slot - positives, 0), batch_dims=1)
    chosen = tf.where(is_positive, indices[0], after)
    return tf.where(is_sampled, chosen, 0), is_positive, is_sampled
