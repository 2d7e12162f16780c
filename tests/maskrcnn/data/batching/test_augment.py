import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.data import shapes
from maskrcnn.data.batching.augment import (
    PRESETS,
    Augmentation,
    Colour,
    cropped,
    draw,
    flipped,
    geometry,
    preset,
    turned,
)
from maskrcnn.data.dataset import Sample
from maskrcnn.data.geometry import mask_boxes

DATASET = shapes(20, 128, 3, "hard")


def test_draws_depend_on_seed_epoch_and_index_only():
    standard = PRESETS["standard"]
    one = draw(standard, 1, 2, 3)
    again = draw(standard, 1, 2, 3)
    assert one.flip == again.flip and one.scale == again.scale
    np.testing.assert_array_equal(one.colour, again.colour)
    np.testing.assert_array_equal(one.corners, again.corners)
    for other in ((0, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert draw(standard, *other).scale != one.scale


def test_draws_fill_their_ranges():
    draws = [draw(PRESETS["standard"], 0, 0, i) for i in range(400)]
    assert 0.42 < np.mean([d.flip for d in draws]) < 0.58
    scales = [d.scale for d in draws]
    assert 0.7 <= min(scales) < 0.72 and 1.48 < max(scales) <= 1.5
    colour = np.array([d.colour for d in draws])
    np.testing.assert_allclose(colour.min(axis=0), [-0.1, 0.8, 0.8], atol=0.01)
    np.testing.assert_allclose(colour.max(axis=0), [0.1, 1.2, 1.2], atol=0.01)


def test_none_changes_nothing():
    sample, shrink = geometry(DATASET[0], PRESETS["none"], draw(PRESETS["none"], 0, 0, 0))
    assert sample is DATASET[0] or np.array_equal(sample.image, DATASET[0].image)
    assert shrink == 1.0 and not PRESETS["none"].colour


def test_flip_twice_is_the_same_and_boxes_follow():
    for sample in DATASET:
        mirrored = flipped(sample)
        np.testing.assert_array_equal(mirrored.image[:, 0], sample.image[:, -1])
        np.testing.assert_array_equal(mirrored.boxes, mask_boxes(mirrored.masks))
        back = flipped(mirrored)
        np.testing.assert_array_equal(back.boxes, sample.boxes)
        np.testing.assert_array_equal(back.masks, sample.masks)


def test_flip_keeps_annotated_extents():
    sample = flipped(_one_box([10.25, 5.0, 30.5, 15.0]))
    np.testing.assert_array_equal(sample.boxes, [[29.5, 5.0, 49.75, 15.0]])


def _one_box(box, height=40, width=60):
    masks = np.zeros((1, height, width), bool)
    x0, y0, x1, y1 = (round(v) for v in box)
    masks[0, y0:y1, x0:x1] = True
    return Sample(
        np.zeros((height, width, 3), np.uint8),
        np.array([box], np.float32),
        np.ones(1, np.int32),
        masks,
        np.zeros(1, bool),
        masks.sum(axis=(1, 2)).astype(float),
        0,
        "one",
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 19), st.integers(0, 1000), st.integers(0, 1000))
def test_geometry_keeps_masks_boxes_and_picture_together(index, seed, epoch):
    standard = PRESETS["standard"]
    sample = DATASET[index]
    changed, shrink = geometry(sample, standard, draw(standard, seed, epoch, index))
    assert 0.7 <= shrink <= 1.0
    assert changed.masks.shape[1:] == changed.image.shape[:2]
    assert (
        len(changed.boxes)
        == len(changed.labels)
        == len(changed.masks)
        == len(changed.crowd)
        == len(changed.areas)
    )
    np.testing.assert_allclose(changed.boxes, mask_boxes(changed.masks), atol=1)
    assert changed.masks.any(axis=(1, 2)).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_boxes_follow_their_masks(turns):
    sample = _one_box([10, 5, 30, 15])  # of a picture of 40 x 60
    found = turned(sample, turns)
    assert found.image.shape[:2] == found.masks.shape[1:] == ((60, 40) if turns % 2 else (40, 60))
    np.testing.assert_array_equal(found.boxes, mask_boxes(found.masks))
    back = turned(found, 4 - turns)
    np.testing.assert_array_equal(back.masks, sample.masks)
    np.testing.assert_array_equal(back.boxes, sample.boxes)


def test_dihedral_draws_all_eight():
    drawn = [draw(PRESETS["dihedral"], 0, 0, index) for index in range(200)]
    assert {(d.flip, d.turns) for d in drawn} == {(f, t) for f in (False, True) for t in range(4)}


def test_crop_cuts_measures_and_drops():
    sample = _one_box([10.25, 5.0, 30.5, 15.0])
    whole = cropped(sample, (2, 5, 40, 60))
    np.testing.assert_array_equal(whole.boxes, [[5.25, 3.0, 25.5, 13.0]])  # annotated extent, moved
    cut = cropped(sample, (0, 0, 40, 20))
    np.testing.assert_array_equal(cut.boxes, [[10.0, 5.0, 20.0, 15.0]])  # measured
    assert cut.areas.tolist() == [100.0] and cut.image.shape == (40, 20, 3)
    dropped = cropped(sample, (0, 0, 40, 14))  # a fifth of it is left
    assert dropped.boxes.shape == (0, 4) and dropped.masks.shape == (0, 40, 14)


def test_crop_prefers_a_window_with_objects():
    sample = _one_box([20, 20, 30, 30], 128, 128)
    augmentation = Augmentation(scale=(1.3, 1.3))
    kept = [len(geometry(sample, augmentation, draw(augmentation, 0, 0, i))[0].boxes) for i in range(200)]
    single = [len(cropped(sample, _first_window(draw(augmentation, 0, 0, i))).boxes) for i in range(200)]
    assert np.mean(kept) > np.mean(single) + 0.15


def _first_window(drawn):
    side = round(128 / 1.3)
    top, left = (int(v * (128 - side + 1)) for v in drawn.corners[0])
    return top, left, top + side, left + side


def test_colour():
    image = np.random.default_rng(0).random((8, 9, 3)).astype(np.float32) * 0.4 + 0.3
    apply = Colour()

    def change(*values):
        return np.asarray(apply(image, np.array(values, np.float32)))

    np.testing.assert_allclose(change(0, 1, 1), image, atol=1e-5)
    np.testing.assert_allclose(change(0.1, 1, 1), image + 0.1, atol=1e-5)
    mean = image.mean(axis=(0, 1))
    np.testing.assert_allclose(change(0, 0.5, 1), mean + (image - mean) / 2, atol=1e-5)
    np.testing.assert_allclose(
        change(0, 1, 0), np.repeat(image.max(axis=2, keepdims=True), 3, axis=2), atol=1e-5
    )
    assert change(0.9, 1, 1).max() <= 1.0


def test_unknown_preset():
    with pytest.raises(ValueError, match="'none', 'standard'"):
        preset("strong")
    assert preset(Augmentation(flip=1.0)).flip == 1.0
