import numpy as np
import pytest
import tensorflow as tf

from maskrcnn import MaskRCNNConfig
from maskrcnn.regions.mask_targets import mask_targets


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
