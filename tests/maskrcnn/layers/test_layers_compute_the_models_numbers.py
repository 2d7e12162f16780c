"""The layers on a Mask R-CNN's own tensors and weights give what the Mask R-CNN gives, bit for bit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn import layers
from maskrcnn.data.batching.batch import whole_masks
from maskrcnn.losses import all_losses
from maskrcnn.network.forward import Forward
from maskrcnn.network.preprocessing import normalise
from maskrcnn.training.sampled_answers import training_answers

STRIDES = (4, 8, 16, 32, 64)


@pytest.fixture(scope="module")
def case(tiny):
    """A model with weights that make it sure of itself, one batch, its Forward, and the pyramid's maps."""
    data, model = maskrcnn.data.shapes(2, 64, seed=4), tiny()
    for part in ("rpn", "box_head", "mask_head"):
        for weight in model.network.get_layer(part).weights:
            spread = 0.02 if "bbox" in weight.path else 0.3  # sure of its classes, careful with boxes
            weight.assign(keras.random.normal(weight.shape, stddev=spread, seed=len(weight.path)))
    [batch] = maskrcnn.data.batches(data, model.config, 2, training=False)
    batch = batch | {"image_size": tf.constant([[64.0, 64.0], [48.0, 60.0]])}
    forward = Forward(model.network, model.config, batch["image"], batch["image_size"])
    maps = model.network.get_layer("features")(normalise(batch["image"], batch["image_size"], model.config))
    return model, batch, forward, maps


def with_weights(layer, model, part, *inputs):
    """A layer with the weights of a model's part."""
    layer(*inputs)
    layer.network.set_weights(model.network.get_layer(part).get_weights())
    return layer


@pytest.fixture(scope="module")
def rpn(case):
    model, _, _, maps = case
    layer = layers.RegionProposal(model.config.anchor_sizes, STRIDES, width=model.config.rpn_width)
    return with_weights(layer, model, "rpn", maps)(maps)


@pytest.fixture(scope="module")
def heads(case):
    """Regions to the box head's answers, and to the mask head's."""
    model, _, _, maps = case
    config, boxes = model.config, tf.constant([[[0.0, 0.0, 9.0, 9.0]]] * 2)

    def align(size):
        return layers.ROIAlign(size, STRIDES[:4], canonical_size=config.roi_canonical_size)

    box = layers.BoxHead(3, config.box_head_widths)
    mask = layers.MaskHead(3, config.mask_head_widths, config.mask_deconv_width)
    with_weights(box, model, "box_head", align(7)([maps[:4], boxes]))
    with_weights(mask, model, "mask_head", align(14)([maps[:4], boxes]))
    return lambda rois: box(align(7)([maps[:4], rois])), lambda rois: mask(align(14)([maps[:4], rois]))


def same(found, expected):
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_region_proposal(case, rpn):
    _, _, forward, _ = case
    for level in range(5):
        same(rpn["objectness"][level], forward.rpn_logits[level])
        same(rpn["deltas"][level], forward.rpn_deltas[level])
        same(rpn["anchors"][level], forward.anchors[level])
    same(rpn["image_size"], [[64, 64]] * 2)


def test_proposals(case, rpn):
    model, batch, forward, _ = case
    boxes, scores, count = forward.proposals()
    layer = layers.Proposals(model.config.post_nms_test, model.config.pre_nms_test, return_scores=True)
    found, sure = layer([rpn, batch["image_size"]])
    same(found, boxes)
    same(sure, scores)
    same(layers.box_layer.count_boxes(found), count)
    assert (count.numpy() > 5).all()
    whole = layers.Proposals(400, 400)
    same(whole(rpn), whole([rpn, batch["image"]]))
    cut = np.asarray(whole([rpn, batch["image_size"]]))[1]
    assert np.max(whole(rpn)[1]) > 60 and cut[:, [0, 2]].max() == 60 and cut[:, [1, 3]].max() == 48


def test_detections(case, heads):
    model, batch, forward, _ = case
    expected = model._inference.detections(forward)
    proposals = forward.proposals()[0]
    layer = layers.DetectionLayer(
        model.config.detections_per_image, model.config.detection_min_score, model.config.detection_nms_iou
    )
    found = layer([heads[0](proposals), proposals, batch["image_size"]])
    for name, value in found.items():
        same(value, expected[name])
    assert (found["count"].numpy() > 2).all()


def test_losses(case, rpn, heads):
    model, batch, forward, _ = case
    config = model.config
    expected = all_losses(training_answers(forward, batch, step=0), config.huber_delta)
    truth = [batch["boxes"], batch["labels"], batch["crowd"]]
    anchors = layers.AnchorTargets(config.rpn_samples)([rpn, *truth], training=True)
    loss = layers.RegionProposalLoss()([rpn, anchors])
    same(loss, expected["rpn_class_loss"] + expected["rpn_bbox_loss"])
    proposals = layers.Proposals(config.post_nms_train, config.pre_nms_train)([rpn, batch["image_size"]])
    targets = layers.ProposalTargets(config.roi_samples)([proposals, *truth], training=True)
    found = layers.RegionLoss()([heads[0](targets["rois"]), targets])
    same(found["class"], expected["mrcnn_class_loss"])
    same(found["bbox"], expected["mrcnn_bbox_loss"])
    cut = [batch["masks"], batch["mask_windows"]]
    masks = layers.MaskTargets(most=4)([targets, *cut, batch["image_size"]])
    whole = layers.MaskTargets(most=4)([targets, whole_masks(batch), batch["image_size"]])
    np.testing.assert_array_equal(masks["masks"], whole["masks"])
    assert masks["weights"].numpy().sum() > 0
    value = layers.MaskLoss()([heads[1](masks["rois"]), masks])
    np.testing.assert_allclose(value, expected["mrcnn_mask_loss"], rtol=1e-5)  # summed in another order
