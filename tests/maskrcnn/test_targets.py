import numpy as np
import pytest
import tensorflow as tf

from maskrcnn import MaskRCNNConfig
from maskrcnn.targets import anchor_targets, mask_targets, roi_targets

CONFIG = MaskRCNNConfig(class_names=("a", "b"), roi_samples=8, rpn_samples=6)


def batch(boxes, labels, crowd=None):
    return {
        "boxes": tf.constant([boxes], tf.float32),
        "labels": tf.constant([labels], tf.int32),
        "crowd": tf.constant([crowd or [False] * len(labels)]),
    }


def by_index(count):
    return tf.range(count, dtype=tf.float32)[None]


def test_anchors_take_the_deltas_of_their_object():
    anchors = tf.constant([[0, 0, 10, 10], [100, 100, 120, 120], [50, 50, 60, 60]], tf.float32)
    found = anchor_targets(anchors, batch([[0, 0, 10, 10], [0, 0, 0, 0]], [1, 0]), CONFIG, by_index(3))
    np.testing.assert_array_equal(found["labels"], [[1, 0, 0]])
    assert found["is_positive"].numpy().sum() == 1 and found["is_sampled"].numpy().sum() == 3
    np.testing.assert_allclose(found["deltas"][0, 0], 0, atol=1e-6)


def test_true_boxes_are_regions_too():
    proposals = tf.constant([[[200, 200, 210, 210], [0, 0, 0, 0]]], tf.float32)
    found = roi_targets(
        proposals, tf.constant([1]), batch([[0, 0, 10, 10], [20, 20, 40, 40]], [2, 1]), CONFIG, by_index(4)
    )
    positive = found["is_positive"].numpy()[0]
    np.testing.assert_array_equal(found["rois"].numpy()[0][positive], [[0, 0, 10, 10], [20, 20, 40, 40]])
    np.testing.assert_array_equal(found["labels"].numpy()[0][positive], [2, 1])
    assert found["is_sampled"].numpy().sum() == 3  # the empty proposal is no candidate


def test_a_picture_without_objects_gives_background_alone():
    proposals = tf.constant([[[0, 0, 10, 10], [5, 5, 30, 30]]], tf.float32)
    found = roi_targets(proposals, tf.constant([2]), batch([[0, 0, 0, 0]], [0]), CONFIG, by_index(3))
    assert not found["is_positive"].numpy().any()
    assert found["is_sampled"].numpy().sum() == 2
    assert not found["labels"].numpy().any()


@pytest.mark.parametrize("ratio", [0, 2])
def test_mask_of_an_object_seen_through_its_own_box(ratio):
    masks = np.zeros((1, 2, 64, 64), "uint8")
    masks[0, 1, 16:48, 8:40] = 1
    masks[0, 1, 16:32, 8:24] = 0  # all but the first quarter
    config = MaskRCNNConfig(class_names=("a",), mask_target_sampling_ratio=ratio)
    rois = tf.constant([[8, 16, 40, 48]], tf.float32)
    found = mask_targets(masks, tf.constant([[64.0, 64.0]]), rois, tf.constant([0]), tf.constant([1]), 4, config)
    wanted = np.ones((4, 4))
    wanted[:2, :2] = 0
    np.testing.assert_array_equal(found[0], wanted)


def test_beyond_the_picture_the_edge_is_repeated():
    masks = np.zeros((1, 1, 32, 32), "uint8")
    masks[:, :, :20, :20] = 1  # the picture is 20 px, the rest is padding
    config = MaskRCNNConfig(class_names=("a",), mask_target_binary=False, roi_aligned=False)
    rois = tf.constant([[10, 10, 20, 20]], tf.float32)
    found = mask_targets(masks, tf.constant([[20.0, 20.0]]), rois, tf.constant([0]), tf.constant([0]), 28, config)
    np.testing.assert_allclose(found, 1.0)
