import keras
import numpy as np
import pytest
import tensorflow as tf

import maskrcnn


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)


def test_detections_lie_in_the_picture_as_given(tiny, picture):
    found = tiny().detect(picture)
    assert len(found) == 20
    assert found.boxes.shape == (20, 4) and found.boxes.dtype == np.float32
    assert found.masks.shape == (20, 50, 70) and found.masks.dtype == bool
    assert (found.boxes >= 0).all() and (found.boxes <= [70, 50, 70, 50]).all()
    assert (np.diff(found.scores) <= 0).all()
    assert set(found.labels) <= {1, 2, 3}


def test_threshold_and_limit(tiny, picture):
    model = tiny()
    every = model.detect(picture)
    middle = float(np.median(every.scores))
    assert (model.detect(picture, score_threshold=middle).scores > middle).all()
    best = model.detect(picture, max_detections=3)
    np.testing.assert_array_equal(best.boxes, every.boxes[:3])
    assert len(model.detect(picture, score_threshold=0.999)) == 0


def test_uint8_and_float_and_list_agree(tiny, picture):
    model = tiny()
    one = model.detect(picture)
    two = model.detect([picture, picture.astype("float32") / 255])
    for other in two:
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((5, 5), "uint8"), r"\(H, W, 3\)"),
        (np.zeros((5, 5, 4), "uint8"), r"\(5, 5, 4\)"),
        (np.zeros((5, 5, 3), "int64"), "int64"),
        (np.full((5, 5, 3), 255.0), "255"),
        (np.full((5, 5, 3), np.nan), "nan"),
        (np.zeros((0, 5, 3), "uint8"), r"\(0, 5, 3\)"),
    ],
)
def test_a_picture_that_is_none_is_refused(tiny, bad, words):
    with pytest.raises(ValueError, match=words):
        tiny().detect(bad)


def test_measure_gives_each_picture_its_own(tiny, picture):
    model = tiny()
    other = picture[:40, :40]
    boxes = np.float32([[5, 5, 20, 20], [10, 10, 40, 30]])
    both = model.measure([picture, other], [boxes, boxes[:1]], [boxes[:1], np.zeros((0, 4))])
    alone = model.measure([picture], [boxes], [boxes[:1]])[0]
    assert [len(m.class_probs) for m in both] == [2, 1]
    assert both[0].refined_boxes.shape == (2, 4, 4)
    assert both[0].mask_probs.shape == (1, 28, 28, 3) and both[1].mask_probs.shape == (0, 28, 28, 3)
    np.testing.assert_allclose(both[0].class_probs, alone.class_probs, atol=1e-5)
    np.testing.assert_allclose(both[0].detections.boxes, alone.detections.boxes, atol=1e-2)
    np.testing.assert_allclose(both[0].class_probs.sum(-1), 1, rtol=1e-5)
    detected = model.detect(picture)
    np.testing.assert_allclose(alone.detections.boxes, detected.boxes, atol=1e-2)
    np.testing.assert_array_equal(alone.detections.masks, detected.masks)


@pytest.mark.slow
def test_a_trained_model_detects_under_xla(tiny, pictures):
    """With fixed shapes, which are an argument of the call; XLA wants to know the shapes of what it compiles."""
    model = tiny(detection_min_score=0.0)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
    model.fit(pictures, batch_size=4, epochs=1, verbose=0)
    batch = next(iter(maskrcnn.data.batches(pictures, model.config, 1, training=False)))
    inputs = {key: batch[key] for key in ("image", "image_size")}
    compiled = tf.function(lambda x: model(x, static_shapes=True), jit_compile=True)
    ours, theirs = model(inputs), compiled(inputs)
    count = int(ours["count"][0])
    assert count == int(theirs["count"][0]) == 20
    np.testing.assert_allclose(ours["boxes"], theirs["boxes"], atol=1e-2)
    np.testing.assert_array_equal(ours["labels"], theirs["labels"])
    np.testing.assert_allclose(ours["mask_probs"], theirs["mask_probs"][:count], atol=1e-4)


def test_detection_does_not_trace_again_for_another_size(tiny, picture, monkeypatch):
    model, traced = tiny(), []
    detect = model._inference._detect
    monkeypatch.setattr(model._inference, "_detect", lambda *given: traced.append(1) or detect(*given))
    model.detect(picture)
    model.detect(picture[:30])
    model.detect(picture[:45, :60])
    assert traced == [1]


def test_a_list_goes_in_batches_of_pictures_of_equal_padded_shape(tiny, picture):
    model = tiny(max_size=96)
    tall, small = picture.transpose(1, 0, 2).copy(), picture[:48, :66]
    pictures = [picture, tall, small, picture[:, ::-1].copy(), tall[:, ::-1].copy()]
    assert model._inference._alike([p.shape[:2] for p in pictures], 2) == [[0, 2], [3], [1, 4]]
    together = model.detect(pictures, batch_size=2)
    for one, found in zip(pictures, together, strict=True):
        alone = model.detect(one)
        assert found.masks.shape[1:] == one.shape[:2] and found.class_names == model.config.class_names
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-2)
        np.testing.assert_array_equal(found.labels, alone.labels)
    assert model.detect([]) == []
