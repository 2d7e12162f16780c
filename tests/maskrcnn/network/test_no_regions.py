"""The mask head on no region: pictures without an object, or without a detection, are usual ones."""

import numpy as np
import pytest
import tensorflow as tf

from maskrcnn.network.forward import Forward


@pytest.fixture(scope="module")
def odd(tiny):
    """A network whose mask head has widths that do not divide each other, as pruned ones have."""
    return tiny(fpn_width=14, mask_head_widths=(9, 5), mask_deconv_width=7)


@pytest.mark.parametrize("eager", [False, True])
def test_masks_of_no_region_are_none(odd, eager):
    pictures = tf.zeros((2, 64, 64, 3))

    def masks(rois, picture):
        forward = Forward(odd.network, odd.config, pictures, tf.constant([[64.0, 64.0]] * 2))
        return forward.segment(rois, picture)

    run = masks if eager else tf.function(
        masks, input_signature=[tf.TensorSpec((None, 4)), tf.TensorSpec((None,), tf.int32)]
    )  # fmt: skip
    none = run(tf.zeros((0, 4)), tf.zeros((0,), tf.int32))
    some = run(tf.constant([[0.0, 0.0, 20.0, 20.0]] * 3), tf.constant([0, 1, 1]))
    assert none.shape == (0, *some.shape[1:])
    assert some.shape[0] == 3


def test_a_detector_that_finds_nothing_says_so(odd):
    found = odd.detect(np.zeros((64, 64, 3), np.uint8), score_threshold=0.999)
    assert len(found.boxes) == 0
    assert found.masks.shape == (0, 64, 64)
