"""A detector with constant weights finds what the model finds, and goes on finding it."""

import numpy as np
import pytest

import maskrcnn
import pruning


@pytest.fixture(scope="module")
def model(tiny):
    """Norms with statistics of their own, so that folding them counts."""
    model = tiny()
    rng = np.random.default_rng(0)
    for weight in model.network.weights:
        if "moving" in weight.path or weight.path.endswith(("gamma", "beta")):
            weight.assign(weight + rng.uniform(0, 0.3, weight.shape))
    return model


def assert_alike(found, expected):
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert (found.masks != expected.masks).mean() < 1e-3


def test_it_finds_what_the_model_finds_in_pictures_of_any_size(model):
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 64), (48, 80), (64, 64))]
    frozen = maskrcnn.FrozenDetector(model, max_detections=5)
    for found, expected in zip(frozen.detect(pictures, 0.0), model.detect(pictures, 0.0, 5), strict=True):
        assert_alike(found, expected)
    assert_alike(frozen.detect(pictures[0], score_threshold=0.0), model.detect(pictures[0], 0.0, 5))
    assert len(frozen.detect(pictures[0], score_threshold=1.0)) == 0


def test_weights_are_those_of_when_it_was_made_and_the_models_live_on(model, tiny):
    picture = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    smaller = pruning.remove(model, pruning.plan(model, pruning.L1(), 0.3))
    frozen, expected = maskrcnn.FrozenDetector(smaller), smaller.detect(picture, score_threshold=0.0)
    for weight in smaller.network.weights:
        weight.assign(weight * 0.5)
    assert_alike(frozen.detect(picture, score_threshold=0.0), expected)
    now = smaller.detect(picture, score_threshold=0.0)
    assert len(now) != len(expected) or np.abs(now.scores - expected.scores).max() > 1e-3
