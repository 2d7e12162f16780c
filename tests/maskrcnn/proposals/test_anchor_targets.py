import numpy as np
import tensorflow as tf

from maskrcnn import MaskRCNNConfig
from maskrcnn.proposals.anchor_targets import anchor_targets

CONFIG = MaskRCNNConfig(class_names=("a", "b"), rpn_samples=6)


def test_anchors_take_the_deltas_of_their_object():
    anchors = tf.constant([[0, 0, 10, 10], [100, 100, 120, 120], [50, 50, 60, 60]], tf.float32)
    batch = {
        "boxes": tf.constant([[[0, 0, 10, 10], [0, 0, 0, 0]]], tf.float32),
        "labels": tf.constant([[1, 0]], tf.int32),
        "crowd": tf.constant([[False, False]]),
    }
    found = anchor_targets(anchors, batch, CONFIG, tf.range(3, dtype=tf.float32)[None])
    np.testing.assert_array_equal(found["labels"], [[1, 0, 0]])
    assert found["is_positive"].numpy().sum() == 1 and found["is_sampled"].numpy().sum() == 3
    np.testing.assert_allclose(found["deltas"][0, 0], 0, atol=1e-6)
