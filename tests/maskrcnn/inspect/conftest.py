"""One tiny model looked into on one picture."""

import pytest

from maskrcnn import inspect


@pytest.fixture(scope="module")
def model():
    import keras

    import maskrcnn

    keras.utils.set_random_seed(3)
    config = dict(
        backbone="resnet10", backbone_alpha=0.125, fpn_width=8, rpn_width=8, box_head_widths=(16,),
        mask_head_widths=(8,), mask_deconv_width=8, min_size=64, max_size=96, anchor_sizes=(8, 16, 32, 64, 128),
        roi_canonical_size=32.0, train_batch_norm=True, pre_nms_test=50, post_nms_test=30, detections_per_image=20,
    )  # fmt: skip
    return maskrcnn.MaskRCNN(maskrcnn.MaskRCNNConfig(class_names=("square", "circle", "triangle"), **config))


@pytest.fixture(scope="module")
def sample():
    import maskrcnn

    return maskrcnn.data.shapes(3, 64, seed=1)[0]


@pytest.fixture(scope="module")
def stages(model, sample):
    return inspect.trace(model, sample.image, sample, score_threshold=0.0)
