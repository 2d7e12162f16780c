import numpy as np
import pytest

from maskrcnn import inspect


def same(found, other):
    for name in ("boxes", "labels", "scores", "masks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(other, name))


def test_the_last_stage_is_what_detect_answers(model, sample, stages):
    found = model.detect(sample.image, score_threshold=0.0)
    assert len(found) == 20
    same(stages.detections, found)


def test_so_it_is_on_a_picture_that_is_resized_and_padded_with_limits(model):
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    every = model.detect(picture)
    least = float(np.median(every.scores))
    stages = inspect.trace(model, picture, score_threshold=least, max_detections=5)
    found = model.detect(picture, least, 5)
    assert len(found) == 5
    same(stages.detections, found)
    assert stages.network_size == (64, 89) and stages.padded_size == (64, 96)
    proposals = model.measure([picture], [np.zeros((0, 4))], [np.zeros((0, 4))])[0].proposals
    np.testing.assert_allclose(stages.proposals, proposals, atol=1e-4)


def test_proposals_are_the_models_own(model, sample, stages):
    found = model.measure([sample.image], [sample.boxes], [sample.boxes])[0]
    np.testing.assert_array_equal(stages.proposals, found.proposals)
    np.testing.assert_array_equal(stages.proposal_scores, found.proposal_scores)


def test_each_stage_says_what_it_comes_from(stages):
    np.testing.assert_array_equal(stages.anchor_boxes[stages.proposal_anchors], stages.proposals)
    assert set(stages.proposal_anchors) <= set(stages.candidates)
    rows, labels = stages.detection_proposals, stages.detections.labels
    np.testing.assert_array_equal(stages.class_probs[rows, labels], stages.detections.scores)
    np.testing.assert_array_equal(stages.refined[rows, labels], stages.detections.boxes)


def test_the_best_of_each_level_are_the_candidates(model, stages):
    assert stages.grids == ((16, 16), (8, 8), (4, 4), (2, 2), (1, 1))
    assert np.bincount(stages.anchor_levels).tolist() == [0, 0, 768, 192, 48, 12, 3]
    for level in range(2, 7):
        own = np.flatnonzero(stages.anchor_levels == level)
        chosen = stages.candidates[np.isin(stages.candidates, own)]
        most = min(model.config.pre_nms_test, len(own))
        assert len(chosen) == most
        np.testing.assert_array_equal(np.sort(stages.objectness[own])[-most:], np.sort(stages.objectness[chosen]))


def test_anchors_are_matched_as_training_matches_them(model, sample, stages):
    import tensorflow as tf

    import maskrcnn
    from maskrcnn.network.forward import Forward
    from maskrcnn.proposals.anchor_targets import anchor_targets

    data = maskrcnn.data.shapes(3, 64, seed=1).subset([0])
    batch = next(iter(maskrcnn.data.batches(data, model.config, 1, training=False)))
    forward = Forward(model.network, model.config, batch["image"], batch["image_size"])
    anchors = tf.concat(forward.anchors, axis=0)
    targets = anchor_targets(anchors, batch, model.config, tf.zeros((1, len(anchors))))
    np.testing.assert_array_equal(stages.truth.anchor_labels, targets["labels"][0])
    assert {-1, 0, 1} >= set(stages.truth.anchor_labels) >= {0, 1}


def test_without_objects_nothing_is_known(model, sample):
    assert inspect.trace(model, sample.image).truth is None
    from maskrcnn.data import Sample

    empty = Sample.of(sample.image, np.zeros((0, 64, 64), bool), np.zeros(0, int))
    found = inspect.trace(model, sample.image, empty)
    assert len(found.truth.boxes) == 0 and not found.truth.anchor_labels.any()


def test_objects_of_another_picture_are_refused(model, sample):
    with pytest.raises(ValueError, match="64 x 64 px, the picture given has 30 x 40 px"):
        inspect.trace(model, np.zeros((40, 30, 3), np.uint8), sample)
