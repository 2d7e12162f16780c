"""Phases of task losses in a Mask R-CNN: its own loss weights, by task or by loss."""

import keras
import numpy as np
import pytest

import maskrcnn
import pruning
import schedules
from maskrcnn import losses


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    config = maskrcnn.MaskRCNNConfig(
        class_names=("square", "circle", "triangle"), backbone="resnet10", backbone_alpha=0.125, fpn_width=8,
        rpn_width=8, box_head_widths=(16,), mask_head_widths=(8,), mask_deconv_width=8, min_size=64, max_size=64,
        anchor_sizes=(8, 16, 32, 64, 128), roi_canonical_size=32.0, rpn_samples=32, post_nms_train=20,
        roi_samples=8, post_nms_test=30,
    )  # fmt: skip
    model = maskrcnn.MaskRCNN(config)
    model.compile(keras.optimizers.SGD(1e-3), loss_weights={"mrcnn_mask_loss": 2.0})
    return model


def test_every_loss_belongs_to_one_task():
    assert sorted(name for names in losses.TASK_LOSSES.values() for name in names) == sorted(losses.NAMES)


def test_class_then_box_then_mask(model):
    """One update a turn: the mask head moves in its turn only, and the loss weights are put back."""
    phases = schedules.LossPhases.in_turn(("class", "bbox", "mask"), 1, always=("proposal",))
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.before = self.kernel()
            weights = {name: float(weight) for name, weight in self.model.loss_weights.items()}
            seen.append([weights["mrcnn_class_loss"], weights["mrcnn_bbox_loss"], weights["mrcnn_mask_loss"]])
            assert weights["rpn_class_loss"] == weights["rpn_bbox_loss"] == 1.0

        def on_train_batch_end(self, batch, logs=None):
            seen[-1].append(bool(np.any(self.before != self.kernel())))

        def kernel(self):
            return np.array(self.model.network.get_layer("mask_head").trainable_weights[0])

    data = maskrcnn.data.shapes(8, 64, seed=1)
    model.fit(data, batch_size=2, verbose=0, callbacks=[pruning.PhasedLosses(phases), Watch()])
    assert seen == [[1, 0, 0, False], [0, 1, 0, False], [0, 0, 2, True], [1, 1, 2, True]]
    assert float(model.loss_weights["mrcnn_class_loss"]) == 1.0
    assert float(model.loss_weights["mrcnn_mask_loss"]) == 2.0
