import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn.data.placement import place
from maskrcnn.export.graph_placement import graph_placement
from maskrcnn.network.preprocessing import fit

NAMES = ("a",)
CONFIGS = {
    "own": maskrcnn.MaskRCNNConfig(class_names=NAMES, min_size=200, max_size=333),
    "matterport": maskrcnn.MaskRCNNConfig.matterport(class_names=NAMES, min_size=200, max_size=256),
}


@pytest.mark.parametrize("numerics", CONFIGS)
def test_a_picture_of_unknown_size_lies_where_the_reader_puts_it(numerics):
    """Sides are drawn so that some come out a hair below a whole number."""
    config = CONFIGS[numerics]

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((None, 4))])
    def placed(image, boxes):
        found = graph_placement(image, config)
        return found.size, found.back(boxes), fit(tf.cast(image, tf.float32) / 255, found.size, config)

    rng = np.random.default_rng(0)
    sizes = [(8, 8), (9, 700), (333, 200), (200, 333), *rng.integers(8, 900, (60, 2)).tolist()]
    for height, width in sizes:
        image = np.zeros((height, width, 3), np.uint8)
        expected = place((height, width), config)
        corner = rng.uniform(0, 60, (5, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(1, 90, (5, 2))], axis=1).astype("float32")
        size, back, pixels = placed(image, boxes)
        assert tuple(size.numpy()) == expected.size and pixels.shape[:2] == expected.padded
        np.testing.assert_allclose(back, expected.back(boxes), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("numerics", CONFIGS)
def test_a_picture_of_known_size_is_placed_when_the_graph_is_made(numerics):
    config = CONFIGS[numerics]
    found = graph_placement(tf.zeros((123, 457, 3), tf.uint8), config)
    expected = place((123, 457), config)
    assert found.padded == expected.padded and tuple(found.size.numpy()) == expected.size
    boxes = np.float32([[3, 5, 40, 60]])
    np.testing.assert_allclose(found.back(boxes), expected.back(boxes), rtol=1e-6)
