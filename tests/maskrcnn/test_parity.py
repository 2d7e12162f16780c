"""Stage by stage against torchvision's own answers on weights made by a rule (tests/data).

TORCHVISION_REFERENCE and TORCHVISION_TRAINING_REFERENCE may name references of another seed.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn import losses as loss_ops
from maskrcnn.data.cut_masks import CutMasks
from maskrcnn.data.resize import resized_size
from maskrcnn.network import leaf_layers
from maskrcnn.network.forward import Forward
from maskrcnn.network.preprocessing import fit, normalise
from maskrcnn.regions.second_stage import refine
from maskrcnn.training.sampled_answers import training_answers
from maskrcnn.weights.torchvision_file import state_of

DATA = Path(__file__).parents[1] / "data"
spec = importlib.util.spec_from_file_location("fill", DATA / "fill.py")
fill = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fill)


def reference(name):
    return np.load(os.environ.get(f"{name.upper()}", DATA / f"{name}.npz"))


def torchvision_shapes(model):
    """Name and torch shape of the 307 tensors, written down from the format and not from our loader."""
    shapes = {"backbone.body.conv1.weight": (64, 3, 7, 7)}

    def norm(name, width):
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{leaf}"] = (width,)

    def biased(name, *shape):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, (shape[0],)

    norm("backbone.body.bn1", 64)
    width_in = 64
    for stage, (blocks, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), start=1):
        for block in range(blocks):
            name = f"backbone.body.layer{stage}.{block}"
            for number, shape in enumerate(
                [(width, width_in, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)], start=1
            ):
                shapes[f"{name}.conv{number}.weight"] = shape
                norm(f"{name}.bn{number}", shape[0])
            if block == 0:
                shapes[f"{name}.downsample.0.weight"] = (4 * width, width_in, 1, 1)
                norm(f"{name}.downsample.1", 4 * width)
            width_in = 4 * width
    for level, width in enumerate((256, 512, 1024, 2048)):
        biased(f"backbone.fpn.inner_blocks.{level}.0", 256, width, 1, 1)
        biased(f"backbone.fpn.layer_blocks.{level}.0", 256, 256, 3, 3)
    biased("rpn.head.conv.0.0", 256, 256, 3, 3)
    biased("rpn.head.cls_logits", 3, 256, 1, 1)
    biased("rpn.head.bbox_pred", 12, 256, 1, 1)
    biased("roi_heads.box_head.fc6", 1024, 12544)
    biased("roi_heads.box_head.fc7", 1024, 1024)
    biased("roi_heads.box_predictor.cls_score", 7, 1024)
    biased("roi_heads.box_predictor.bbox_pred", 28, 1024)
    for number in range(4):
        biased(f"roi_heads.mask_head.{number}.0", 256, 256, 3, 3)
    shapes["roi_heads.mask_predictor.conv5_mask.weight"] = (256, 256, 2, 2)
    shapes["roi_heads.mask_predictor.conv5_mask.bias"] = (256,)
    biased("roi_heads.mask_predictor.mask_fcn_logits", 7, 256, 1, 1)
    return shapes


def state_dict(seed):
    shapes = torchvision_shapes(None)
    assert len(shapes) == 307
    return {
        key: fill.fill(f"{seed}:{key}" if seed else key, shape, *fill.torchvision_kind(key))
        for key, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def ref():
    return reference("torchvision_reference")


@pytest.fixture(scope="module")
def model(ref):
    config = maskrcnn.MaskRCNNConfig.torchvision([f"class {i}" for i in range(1, 7)], min_size=192, max_size=256)
    model = maskrcnn.MaskRCNN(config)
    report = maskrcnn.weights.load_torchvision(model, state_dict(int(ref["seed"])))
    assert (len(report.matched), report.unused, report.missing) == (307, (), ())
    return model


def test_the_weights_go_back_as_they_came(model, ref):
    wanted, found = state_dict(int(ref["seed"])), state_of(model)
    assert set(found) == set(wanted)
    for key, value in found.items():
        np.testing.assert_array_equal(value, wanted[key])


@pytest.fixture(scope="module")
def forward(model, ref):
    size = resized_size(*ref["image"].shape[:2], 192, 256)
    assert size == tuple(ref["resized_size"])
    padded = fit(ref["image"], size, model.config)[None]
    sizes = tf.constant([size], tf.float32)
    np.testing.assert_allclose(normalise(padded, sizes, model.config)[0], ref["padded_input"], atol=2e-6)
    return Forward(model.network, model.config, padded, sizes)


@pytest.fixture(scope="module")
def levels(model, ref):
    return model.network.get_layer("features")(ref["padded_input"][None])


def test_features_and_rpn_agree_to_1e_4(forward, levels, ref):
    for index, level in enumerate(levels):
        name = f"P{index + 2}"
        level = level.numpy()[0]
        assert level.shape == tuple(ref[f"{name}_shape"])
        np.testing.assert_allclose(level[:8, :8, :32], ref[f"{name}_corner"], atol=1e-4)
        np.testing.assert_allclose(level.mean((0, 1)), ref[f"{name}_mean"], atol=1e-4)
        np.testing.assert_allclose(forward.rpn_logits[index][0], ref[f"rpn_logits_{name}"].ravel(), atol=1e-4)
        np.testing.assert_allclose(
            forward.rpn_deltas[index][0], ref[f"rpn_deltas_{name}"].reshape(-1, 4), atol=1e-4
        )


def test_anchors_are_equal(forward, ref):
    np.testing.assert_array_equal(tf.concat(forward.anchors, axis=0), ref["anchors"])


def assert_same_ranking(boxes, wanted):
    """Equal to 1e-2 px; neighbours whose scores tie to the last digits may stand in either order."""
    assert boxes.shape == wanted.shape
    far = np.flatnonzero(np.abs(boxes - wanted).max(axis=1) > 1e-2)
    assert len(far) < 0.02 * len(wanted)
    for index in far:
        near = slice(max(0, index - 2), index + 3)
        assert np.abs(wanted[near] - boxes[index]).max(axis=1).min() < 1e-2, index


def test_proposals_agree_to_1e_2_px(forward, ref):
    boxes, _, count = forward.proposals()
    assert_same_ranking(boxes.numpy()[0, : int(count[0])], ref["proposals"])


def test_heads_agree_on_fixed_boxes(model, forward, levels, ref):
    boxes = tf.constant(ref["fixed_boxes_xyxy"])
    zeros = tf.zeros(len(boxes), tf.int32)
    for part, key in (("box_roi_align", "box_roi_align"), ("mask_roi_align", "mask_roi_align")):
        found = model.network.get_layer(part)([*levels[:4], boxes[None]])
        np.testing.assert_allclose(found[..., :16], ref[key], atol=1e-4)
    logits, deltas = forward.classify(boxes[None])
    np.testing.assert_allclose(logits[0], ref["class_logits"], atol=1e-4)
    np.testing.assert_allclose(deltas[0], ref["box_deltas"].reshape(-1, 7, 4), atol=1e-4)
    np.testing.assert_allclose(forward.segment(boxes, zeros), ref["mask_logits"], atol=1e-4)


def in_their_order(found, ref):
    """The found detections as the reference orders them: those whose scores tie to the last digits may swap."""
    order = np.arange(len(ref["det_scores"]))
    for one in range(len(order) - 1):
        tied = abs(found.scores[one] - found.scores[one + 1]) < 1e-5
        if tied and found.labels[order[one]] != ref["det_labels"][one]:
            order[[one, one + 1]] = order[[one + 1, one]]
    return order


def test_detections_agree(model, ref):
    found = model.detect(ref["image"])
    count, order = len(ref["det_scores"]), in_their_order(found, ref)
    np.testing.assert_array_equal(found.labels[order], ref["det_labels"])
    np.testing.assert_allclose(found.boxes[order], ref["det_boxes_xyxy"], atol=1e-2)
    np.testing.assert_allclose(found.scores[order], ref["det_scores"], atol=1e-4)
    height, width = ref["image"].shape[:2]
    masks = np.unpackbits(ref["det_masks"], axis=-1)[..., :width].astype(bool)
    assert masks.shape == (count, height, width)
    # A pixel whose probability is 0.5 to the last digit may fall on either side.
    assert (masks != found.masks[order]).mean() < 1e-4


def test_measure_answers_about_given_boxes_as_the_heads_do(model, forward, ref):
    height, width = ref["image"].shape[:2]
    factor = np.array([width, height, width, height], "float32") / ref["resized_size"][[1, 0, 1, 0]]
    boxes = ref["fixed_boxes_xyxy"] * factor
    [measured] = model.measure([ref["image"]], [boxes], [boxes[:3]])
    np.testing.assert_allclose(
        measured.class_probs, tf.nn.softmax(ref["class_logits"]), atol=1e-4
    )
    refined = refine(forward, ref["fixed_boxes_xyxy"][None], ref["box_deltas"].reshape(1, -1, 7, 4))[0] * factor
    np.testing.assert_allclose(measured.refined_boxes, refined, atol=1e-2)
    np.testing.assert_allclose(measured.mask_probs, tf.sigmoid(ref["mask_logits"][:3, ..., 1:]), atol=1e-4)
    order = in_their_order(measured.detections, ref)
    np.testing.assert_array_equal(measured.detections.labels[order], ref["det_labels"])


# Training


@pytest.fixture(scope="module")
def train():
    return reference("torchvision_training_reference")


@pytest.fixture(scope="module")
def training(model, train):
    """Answers, losses and gradients with samplers that take the first candidates by index."""
    old = train["image"].shape[:2]
    size = resized_size(*old, 192, 256)
    masks = np.unpackbits(train["gt_masks"], axis=-1)[..., : old[1]]
    boxes = train["gt_boxes_xyxy"] * (np.array(size, "float32") / np.array(old, "float32"))[[1, 0, 1, 0]]
    resized = CutMasks.of(masks.astype(bool)).resized(size).whole().astype(np.uint8)
    np.testing.assert_allclose(boxes, train["resized_gt_boxes_xyxy"], atol=1e-4)
    np.testing.assert_array_equal(resized, np.unpackbits(train["resized_gt_masks"], axis=-1)[..., : size[1]])
    image = fit(train["image"], size, model.config)
    pad = [(0, 0), (0, image.shape[0] - size[0]), (0, image.shape[1] - size[1])]
    batch = {
        "image": image[None],
        "image_size": tf.constant([size], tf.float32),
        "boxes": tf.constant(boxes[None]),
        "labels": tf.constant(train["gt_labels"][None], tf.int32),
        "masks": tf.constant(np.pad(resized, pad)[None]),
        "crowd": tf.zeros((1, len(boxes)), tf.bool),
    }

    def by_index(shape):
        return tf.broadcast_to(tf.range(shape[1], dtype=tf.float32)[None], shape)

    # As MaskRCNN.call trains.
    with tf.GradientTape() as tape:
        forward = Forward(model.network, model.config, batch["image"], batch["image_size"])
        answers = training_answers(forward, batch, 0, priorities=(by_index, by_index))
        losses = loss_ops.all_losses(answers, model.config.huber_delta)
        total = tf.add_n(list(losses.values()))
    wanted = {key.split(":")[1]: key for key in train if key.startswith("gradient_norm")}
    variables = [variable_of(model, key) for key in wanted]
    gradients = dict(zip(wanted, tape.gradient(total, variables), strict=True))
    return answers, losses, gradients


def variable_of(model, key):
    layer, weight = maskrcnn.weights.torchvision.layer_of(key)
    layers = {x.name: x for x in leaf_layers(model.network)}
    return next(v.value for v in layers[layer].variables if v.name == weight)


def test_training_proposals_agree(training, train):
    boxes = training[0]["proposals"]
    assert_same_ranking(boxes["boxes"].numpy()[0, : int(boxes["count"][0])], train["proposals"])


def test_anchors_are_matched_and_sampled_alike(training, train):
    anchors = {key: value.numpy()[0] for key, value in training[0]["anchors"].items()}
    np.testing.assert_array_equal(anchors["labels"], train["anchor_labels"])
    positive = anchors["indices"][anchors["is_positive"]]
    negative = anchors["indices"][anchors["is_sampled"] & ~anchors["is_positive"]]
    np.testing.assert_array_equal(np.sort(positive), train["sampled_positive_anchors"])
    np.testing.assert_array_equal(np.sort(negative), train["sampled_negative_anchors"])
    deltas = anchors["deltas"][anchors["is_positive"]][np.argsort(positive)]
    members = np.flatnonzero(train["anchor_labels"] == 1)
    chosen = np.isin(members, train["sampled_positive_anchors"])
    np.testing.assert_allclose(deltas, train["anchor_deltas_of_positives"][chosen], atol=1e-4)


def nearest(boxes, wanted):
    """For each wanted box the index of ours, which is within 1e-2 px."""
    distance = np.abs(boxes[None] - wanted[:, None]).max(axis=-1)
    index = distance.argmin(axis=1)
    assert distance.min(axis=1).max() < 1e-2
    return index


def test_regions_are_sampled_alike(training, train):
    rois = {key: value.numpy()[0] for key, value in training[0]["rois"].items()}
    kept = rois["is_sampled"]
    assert kept.sum() == len(train["roi_labels"])
    assert rois["is_positive"].sum() == (train["roi_labels"] > 0).sum()
    index = nearest(rois["rois"][kept], train["sampled_rois_xyxy"])
    np.testing.assert_array_equal(rois["labels"][index], train["roi_labels"])
    positive = train["roi_labels"] > 0
    np.testing.assert_array_equal(rois["matched"][index][positive], train["roi_matched_gt"][positive])
    np.testing.assert_allclose(rois["deltas"][index][positive], train["roi_deltas"][positive], atol=2e-3)


def test_mask_targets_agree(training, train):
    rois = {key: value.numpy()[0] for key, value in training[0]["rois"].items()}
    wanted = train["mask_targets"]
    boxes = train["sampled_rois_xyxy"][train["roi_labels"] > 0][: len(wanted)]
    index = nearest(rois["rois"][rois["is_positive"]], boxes)
    np.testing.assert_allclose(training[0]["masks"]["targets"].numpy()[index], wanted, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("rpn_class_loss", "loss_rpn_class"),
        ("rpn_bbox_loss", "loss_rpn_bbox"),
        ("mrcnn_class_loss", "loss_class"),
        ("mrcnn_bbox_loss", "loss_bbox"),
        ("mrcnn_mask_loss", "loss_mask"),
    ],
)
def test_losses_agree_to_1e_4(training, train, name, key):
    np.testing.assert_allclose(float(training[1][name]), float(train[key]), rtol=1e-4)


def test_gradient_norms_agree_to_1e_3(training, train):
    for key, gradient in training[2].items():
        np.testing.assert_allclose(
            float(tf.norm(gradient)), float(train[f"gradient_norm:{key}"]), rtol=1e-3, err_msg=key
        )
