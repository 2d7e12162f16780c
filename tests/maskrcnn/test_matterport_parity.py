"""Stage by stage against the answers of Matterport's own code on weights made by a rule (tests/data).

MATTERPORT_REFERENCE may name a reference of another seed.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn.data.placement import place
from maskrcnn.network.forward import Forward
from maskrcnn.network.preprocessing import fit, normalise
from maskrcnn.regions.second_stage import detect_boxes, second_stage

DATA = Path(__file__).parents[1] / "data"
SIDE = 256


@pytest.fixture(scope="module")
def ref():
    return np.load(os.environ.get("MATTERPORT_REFERENCE", DATA / "matterport_reference.npz"))


@pytest.fixture(scope="module")
def weights_file(ref, tmp_path_factory):
    """A Keras 2 file written by the reference's own writer."""
    sys.path.insert(0, str(DATA))
    try:
        import matterport_fill
    finally:
        sys.path.remove(str(DATA))
    path = tmp_path_factory.mktemp("weights") / "reference.h5"
    matterport_fill.write_h5(str(path), json.loads((DATA / "matterport_layers.json").read_text()), int(ref["seed"]))
    return path


@pytest.fixture(scope="module")
def model(ref, weights_file):
    config = maskrcnn.MaskRCNNConfig.matterport(
        [f"class {i}" for i in range(1, int(ref["num_classes"]))],
        backbone="resnet50",
        min_size=int(ref["min_dim"]),
        max_size=int(ref["max_dim"]),
        anchor_sizes=(16, 32, 64, 128, 256),
        detection_min_score=0.05,
    )
    model = maskrcnn.MaskRCNN(config)
    report = maskrcnn.weights.load_matterport(model, weights_file)
    assert (len(report.matched), report.unused, report.missing) == (384, (), ())
    return model


@pytest.fixture(scope="module")
def placement(model, ref):
    return place(ref["image"].shape[:2], model.config)


@pytest.fixture(scope="module")
def forward(model, ref, placement):
    """The network from Matterport's own resized picture on."""
    pixels = (ref["molded"] + maskrcnn.config.MATTERPORT_MEAN) / 255
    images, sizes = tf.cast(pixels[None], tf.float32), tf.constant([placement.size], tf.float32)
    np.testing.assert_allclose(normalise(images, sizes, model.config)[0], ref["molded"], atol=1e-4)
    return Forward(model.network, model.config, images, sizes)


def normalised(boxes):
    """xyxy of the network as Matterport's normalised y1, x1, y2, x2."""
    return np.asarray(boxes)[..., [1, 0, 3, 2]] / (SIDE - 1)


def test_the_picture_is_resized_and_placed_alike(model, ref, placement):
    top, left = placement.offset
    assert [top, left, top + placement.size[0], left + placement.size[1]] == ref["window_yxyx"].tolist()
    picture = fit(ref["image"].astype("float32") / 255, placement.size, model.config)
    levels = normalise(picture[None], tf.constant([placement.size], tf.float32), model.config)[0]
    assert (np.abs(levels - ref["molded"]) > 1e-3).mean() < 1e-3  # grey levels that rounding cuts the other way


def test_features_and_rpn_agree_to_1e_3(model, forward, ref):
    levels = model.network.get_layer("features")(ref["molded"][None].astype("float32"))
    for number, level in enumerate(levels, start=2):
        level = level.numpy()[0]
        assert level.shape == tuple(ref[f"fpn_p{number}_shape"])
        np.testing.assert_allclose(level[:8, :8, :32], ref[f"fpn_p{number}_corner"], atol=1e-3)
        np.testing.assert_allclose(level.mean((0, 1)), ref[f"fpn_p{number}_mean"], atol=1e-3)
    np.testing.assert_allclose(
        normalised(tf.concat(forward.anchors, axis=0)), ref["anchors_normalized_yxyx"], atol=1e-6
    )
    logits, deltas = tf.concat(forward.rpn_logits, axis=1)[0], tf.concat(forward.rpn_deltas, axis=1)[0]
    np.testing.assert_allclose(tf.sigmoid(logits), ref["rpn_class"][:, 1], atol=1e-3)
    np.testing.assert_allclose(deltas.numpy()[:, [1, 0, 3, 2]], ref["rpn_bbox"], atol=1e-3)


def test_proposals_agree(forward, ref):
    boxes = normalised(forward.proposals()[0][0, : len(ref["ROI"]) + 1])
    far = np.flatnonzero(np.abs(boxes[:-1] - ref["ROI"]).max(axis=1) > 1e-3)
    assert len(far) <= 4  # neighbours whose scores tie to the last digits may stand in either order
    for index in far:
        near = slice(max(0, index - 1), index + 2)
        assert np.abs(boxes[near] - ref["ROI"][index]).max(axis=1).min() < 1e-3, index


@pytest.fixture(scope="module")
def rois(ref):
    return tf.constant(ref["ROI"][None][..., [1, 0, 3, 2]] * np.float32(SIDE - 1))


def test_the_box_head_agrees(forward, ref, rois):
    logits, deltas = forward.classify(rois)
    np.testing.assert_allclose(tf.nn.softmax(logits)[0], ref["mrcnn_class"], atol=1e-3)
    np.testing.assert_allclose(deltas[0].numpy()[..., [1, 0, 3, 2]], ref["mrcnn_bbox"], atol=1e-3)


def test_detections_and_masks_of_the_network_agree(forward, ref):
    count = int((ref["mrcnn_detection"][:, 5] > 0).sum())
    probs, boxes = second_stage(forward, forward.proposals())
    config = forward.config
    found, scores, labels, number = detect_boxes(
        forward, probs, boxes, config.detection_min_score, config.detections_per_image
    )
    assert int(number[0]) == count
    np.testing.assert_array_equal(labels[0, :count], ref["mrcnn_detection"][:count, 4])
    np.testing.assert_allclose(scores[0, :count], ref["mrcnn_detection"][:count, 5], atol=1e-3)
    np.testing.assert_allclose(normalised(found[0, :count]), ref["mrcnn_detection"][:count, :4], atol=1e-3)
    masked = min(count, len(ref["mrcnn_mask"]))
    given = ref["mrcnn_detection"][:masked, [1, 0, 3, 2]] * np.float32(SIDE - 1)
    logits = forward.segment(tf.constant(given), tf.zeros(masked, tf.int32))
    np.testing.assert_allclose(tf.sigmoid(logits), ref["mrcnn_mask"][:masked], atol=1e-3)


@pytest.mark.slow
def test_fixed_shapes_give_the_same(model, forward, ref):
    pixels = (ref["molded"] + maskrcnn.config.MATTERPORT_MEAN) / 255
    inputs = {"image": tf.cast(pixels[None], tf.float32), "image_size": forward.image_size}
    found = model(inputs, static_shapes=True)
    wanted = ref["mrcnn_detection"][: int(found["count"][0])]
    assert (wanted[:, 5] > 0).all() and not ref["mrcnn_detection"][len(wanted) :].any()
    np.testing.assert_array_equal(found["labels"][0, : len(wanted)], wanted[:, 4])
    np.testing.assert_allclose(normalised(found["boxes"][0, : len(wanted)]), wanted[:, :4], atol=1e-3)


def test_detect_agrees_to_2_px(model, ref):
    found = model.detect(ref["image"])
    np.testing.assert_array_equal(found.labels, ref["det_class_ids"])
    np.testing.assert_allclose(found.boxes[:, [1, 0, 3, 2]], ref["det_boxes_yxyx"], atol=2)
    np.testing.assert_allclose(found.scores, ref["det_scores"], atol=1e-2)
    width = ref["image"].shape[1]
    masks = np.unpackbits(ref["det_masks"], axis=-1)[..., :width].astype(bool)
    pairs = [(wanted, mask) for wanted, mask in zip(masks, found.masks, strict=False) if wanted.any()]
    drawn = [(wanted & mask).sum() / (wanted | mask).sum() for wanted, mask in pairs]
    assert len(drawn) > 5 and np.median(drawn) > 0.95  # of random weights: a pixel of the box more is another pattern


def test_boxes_that_are_given_come_back(model, ref, placement):
    boxes = np.array([[10, 20, 90, 120], [0, 0, 190, 150]], np.float32)
    np.testing.assert_allclose(placement.back(placement.into(boxes).astype("float32")), boxes, atol=1e-3)
    whole = placement.into(boxes[1:])[0]
    top, left = placement.offset
    np.testing.assert_allclose(
        whole, [left, top, left + placement.size[1] - 1, top + placement.size[0] - 1], atol=1e-6
    )
    (measured,) = model.measure([ref["image"]], [boxes], [boxes])
    assert measured.class_probs.shape == (2, 6) and np.isfinite(measured.refined_boxes).all()
    np.testing.assert_array_equal(measured.detections.labels, ref["det_class_ids"])
