"""One overlap of boxes for NumPy and TensorFlow, and Keras's beside it."""

import numpy as np
import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.box_overlap import aligned_iou, areas, covered, pairwise_iou


def drawn(count=40):
    corner = np.random.default_rng(0).uniform(0, 60, (2, count, 2))
    sides = np.random.default_rng(1).uniform(0.5, 50, (2, count, 2))
    return np.concatenate([corner, corner + sides], axis=-1).astype("float32")


def test_literal_overlaps():
    one, other = [[0, 0, 10, 10]], [[5, 0, 15, 10], [20, 20, 30, 30]]
    np.testing.assert_allclose(pairwise_iou(one, other), [[1 / 3, 0]])
    np.testing.assert_allclose(covered(one, other), [[0.5, 0]])
    assert areas([3, 3, 1, 9]) == 0  # an inverted box has no area
    assert aligned_iou([0, 0, 0, 0], [0, 0, 0, 0]) == 0 and aligned_iou([0, 0, np.nan, 1], [0, 0, 1, 1]) == 0


def test_numpy_counts_in_float64_and_tensorflow_in_its_own():
    first, second = drawn()
    for overlap in (aligned_iou, pairwise_iou, covered):
        exact, found = overlap(first, second), overlap(tf.constant(first), tf.constant(second))
        assert exact.dtype == np.float64 and found.dtype == tf.float32
        np.testing.assert_allclose(found, exact, atol=1e-6)


def test_all_pairs_of_a_batch_are_those_of_keras():
    first, second = drawn()
    np.testing.assert_allclose(box_ops.iou(first[None], second[None])[0], pairwise_iou(first, second), atol=1e-6)
