"""A Mask R-CNN small enough to build in a second."""

import keras
import pytest

import maskrcnn

TINY = dict(
    backbone="resnet10",
    backbone_alpha=0.125,
    fpn_width=8,
    rpn_width=8,
    box_head_widths=(16,),
    mask_head_widths=(8,),
    mask_deconv_width=8,
    min_size=64,
    max_size=64,
    anchor_sizes=(8, 16, 32, 64, 128),
    roi_canonical_size=32.0,
    train_batch_norm=True,
    roi_samples=16,
    rpn_samples=32,
    pre_nms_train=50,
    post_nms_train=30,
    pre_nms_test=50,
    post_nms_test=30,
    detections_per_image=20,
)


@pytest.fixture(scope="session")
def tiny():
    """Makes a tiny model; keyword arguments change its config."""

    def make(**changes):
        keras.utils.set_random_seed(3)
        names = changes.pop("class_names", ("square", "circle", "triangle"))
        return maskrcnn.MaskRCNN(maskrcnn.MaskRCNNConfig(class_names=names, **(TINY | changes)))

    return make


@pytest.fixture(scope="session")
def pictures():
    return maskrcnn.data.shapes(8, 64, seed=1)
