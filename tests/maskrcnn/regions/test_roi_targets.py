import numpy as np
import tensorflow as tf

from maskrcnn import MaskRCNNConfig
from maskrcnn.regions.roi_targets import roi_targets

CONFIG = MaskRCNNConfig(class_names=("a", "b"), roi_samples=8)


def batch(boxes, labels, crowd=None):
    return {
        "boxes": tf.constant([boxes], tf.float32),
        "labels": tf.constant([labels], tf.int32),
        "crowd": tf.constant([crowd or [False] * len(labels)]),
    }


def by_index(count):
    return tf.range(count, dtype=tf.float32)[None]


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
