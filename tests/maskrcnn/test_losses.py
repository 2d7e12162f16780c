import numpy as np
import tensorflow as tf

from maskrcnn import losses


def test_objectness_literal():
    loss = losses.objectness_loss(
        tf.constant([[0.0, 100.0, 5.0]]), tf.constant([[True, True, False]]), tf.constant([[True, True, False]])
    )
    np.testing.assert_allclose(loss, np.log(2) / 2, rtol=1e-6)


def test_box_loss_divides_by_all_samples():
    deltas, targets = tf.constant([[[1.0, 0, 0, 0], [9.0, 9, 9, 9]]]), tf.zeros((1, 2, 4))
    loss = losses.box_loss(deltas, targets, tf.constant([[True, False]]), tf.constant([[True, True]]), 1 / 9)
    np.testing.assert_allclose(loss, (1 - 0.5 / 9) / 2, rtol=1e-5)


def test_smooth_l1_is_quadratic_within_delta():
    small, large = tf.constant([[0.05]]), tf.constant([[2.0]])
    np.testing.assert_allclose(losses.smooth_l1(tf.zeros((1, 1)), small, 0.1), [[0.05**2 / 0.2]], rtol=1e-5)
    np.testing.assert_allclose(losses.smooth_l1(tf.zeros((1, 1)), large, 0.1), [[1.95]], rtol=1e-5)


def test_class_loss_ignores_empty_slots():
    logits = tf.constant([[[0.0, 0.0], [50.0, 0.0]]])
    loss = losses.class_loss(logits, tf.constant([[1, 1]]), tf.constant([[True, False]]))
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)


def test_without_positives_all_is_zero_and_finite():
    none = tf.zeros((1, 3), tf.bool)
    assert float(losses.box_loss(tf.ones((1, 3, 4)), tf.zeros((1, 3, 4)), none, none, 1.0)) == 0
    assert float(losses.objectness_loss(tf.ones((1, 3)), none, none)) == 0
    assert float(losses.mask_loss(tf.ones((1, 28, 28)), tf.zeros((1, 28, 28)), tf.zeros(1))) == 0


def test_mask_loss_is_a_mean_over_pixels():
    logits = tf.stack([tf.zeros((4, 4)), tf.fill((4, 4), 50.0)])
    np.testing.assert_allclose(losses.mask_loss(logits, tf.ones((2, 4, 4)), tf.ones(2)), np.log(2) / 2, rtol=1e-6)
