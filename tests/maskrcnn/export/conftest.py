"""A tiny detector that finds something: boxes that mean something, and scores far from one another."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def sharp(tiny):
    """Makes a tiny model whose class scores are drawn wide, so that the order of detections is not left to rounding."""

    def make(**changes):
        model = tiny(**{"detection_min_score": 0.3, "detections_per_image": 40, **changes})
        rng = np.random.default_rng(6)
        wide = {"box_head": {"mrcnn_class_logits": 0.02, "mrcnn_bbox": 0.05}, "mask_head": {"mrcnn_mask": 0.5},
                "rpn": {"rpn_class": 0.3, "rpn_bbox": 0.02}}  # fmt: skip
        for part, layers in wide.items():
            for name, width in layers.items():
                layer = model.network.get_layer(part).get_layer(name)
                kernel, bias = layer.get_weights()
                layer.set_weights([rng.normal(0, width, kernel.shape), bias - 1 * (np.arange(len(bias)) == 0)])
        return model

    return make


@pytest.fixture(scope="session")
def photos():
    """Smooth pictures of three sizes."""
    rng = np.random.default_rng(0)
    found = []
    for size in ((48, 64), (50, 70), (90, 60)):
        coarse = rng.uniform(0, 255, (6, 6, 3)).astype("float32")
        found.append(np.uint8(keras.ops.image.resize(coarse, size, "bilinear")))
    return found
