"""The same with a real network: an output layer set to zero moves its own task's isolated measures alone."""

import numpy as np
import pytest

from maskrcnn import MaskRCNN, MaskRCNNConfig, data
from maskrcnn.evaluation import MEASURES, columns, evaluate

SIZE = 64
LAYERS = {
    "proposal": ("rpn", ("rpn_class", "rpn_bbox")),
    "bbox": ("box_head", ("mrcnn_bbox",)),
    "class": ("box_head", ("mrcnn_class_logits",)),
    "mask": ("mask_head", ("mrcnn_mask",)),
}


@pytest.fixture(scope="module")
def alive():
    """An untrained network whose output layers are drawn wide, so that each answer depends on the picture."""
    dataset = data.shapes(6, SIZE, seed=3, level="easy")
    config = MaskRCNNConfig(
        class_names=dataset.class_names, backbone="mobilenet", backbone_alpha=0.25, min_size=SIZE,
        max_size=SIZE, fpn_width=16, rpn_width=16,
        box_head_widths=(32,), mask_head_widths=(16,), mask_deconv_width=16,
        anchor_sizes=(8, 16, 32, 64, 128), roi_canonical_size=32, pre_nms_test=60, post_nms_test=30,
        detections_per_image=10,
    )  # fmt: skip
    model = MaskRCNN(config)
    rng = np.random.default_rng(0)
    for part, names in LAYERS.values():
        for name in names:
            layer = model.network.get_layer(part).get_layer(name)
            layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    return model, dataset, evaluate(model, dataset, batch_size=3, progress=False)


@pytest.mark.parametrize("task", LAYERS)
def test_a_dead_output_layer(alive, task):
    model, dataset, before = alive
    part, names = LAYERS[task]
    layers = [model.network.get_layer(part).get_layer(name) for name in names]
    kept = [layer.get_weights() for layer in layers]
    try:
        for layer in layers:
            layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
        after = columns(evaluate(model, dataset, batch_size=3, progress=False))
    finally:
        for layer, weights in zip(layers, kept, strict=True):
            layer.set_weights(weights)
    moved = set()
    for name, value in columns(before).items():
        if MEASURES[name].isolated and abs(after[name] - value) > 1e-6:
            moved.add(MEASURES[name].task)
    assert moved == {task}
