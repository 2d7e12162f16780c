"""Mask R-CNN in int8, with several backbones: detections, files, and what stays float."""

import keras
import numpy as np
import pytest

import maskrcnn
import pruning

TINY = dict(
    class_names=("square", "circle", "triangle"), fpn_width=8, rpn_width=8, box_head_widths=(16,),
    mask_head_widths=(8,), mask_deconv_width=8, min_size=64, max_size=64, anchor_sizes=(8, 16, 32, 64, 128),
    roi_canonical_size=32.0,
    roi_samples=16, rpn_samples=32, pre_nms_train=50, post_nms_train=30, pre_nms_test=50, post_nms_test=30,
)  # fmt: skip
ANSWERS = {
    "rpn/rpn_class", "rpn/rpn_bbox", "box_head/mrcnn_class_logits", "box_head/mrcnn_bbox", "mask_head/mrcnn_mask",
}  # fmt: skip


@pytest.mark.parametrize(
    ("backbone", "alpha"), [pytest.param("resnet18", 0.125, marks=pytest.mark.slow), ("mobilenet_v2", 0.35)]
)
def test_int8(nets, backbone, alpha, tmp_path):
    keras.utils.set_random_seed(3)
    model = maskrcnn.MaskRCNN(maskrcnn.MaskRCNNConfig(**TINY, backbone=backbone, backbone_alpha=alpha))
    nets.lively(model.network)
    pictures = maskrcnn.data.shapes(4, 64, 0)
    batches = [batch for _, batch in zip(range(2), maskrcnn.data.batches(pictures, model.config, 2), strict=False)]
    pruning.recalibrate(model, batches)
    quantized = pruning.quantize(model, batches)
    assert type(quantized) is maskrcnn.MaskRCNN
    skipped = {row.layer for row in quantized.quantization_report.skipped if row.weights}
    assert skipped == ANSWERS
    roi = {row.layer: row for row in quantized.quantization_report.rows}["box_roi_align"]
    assert not roi.quantized and "not a layer of Keras" in roi.reason
    inputs = {
        "image": np.asarray(batches[0]["image"]), "rois": np.array([[[4, 4, 40, 40]]] * 2, "float32"),
        "mask_rois": np.array([[[4, 4, 40, 40]]] * 2, "float32"),
    }  # fmt: skip
    answers, expected = quantized.network(inputs), model.network(inputs)
    for name in ("rpn_class_2", "rpn_bbox_2", "rpn_class_4"):
        apart = np.linalg.norm(answers[name] - expected[name]) / np.linalg.norm(expected[name])
        assert 0 < apart < 0.2, name
    quantized.save(tmp_path / "int8.keras")
    again = maskrcnn.load(tmp_path / "int8.keras")
    assert nets.difference(again.network(inputs), answers) == 0
    assert len(again.detect(np.zeros((64, 64, 3), "uint8")).boxes) >= 0
