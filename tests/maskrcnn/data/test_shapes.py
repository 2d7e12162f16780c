import time
import zlib

import numpy as np
import pytest

from maskrcnn.box_overlap import pairwise_iou
from maskrcnn.data import DataError, Difficulty, shapes
from maskrcnn.data.geometry import mask_boxes
from maskrcnn.data.synthetic.outlines import disc, filled, placed


def checksum(level, seed=5):
    value = 0
    for sample in shapes(6, 96, seed, level):
        for part in (sample.image, sample.masks.astype(np.uint8), sample.labels.astype(np.int32)):
            value = zlib.crc32(np.ascontiguousarray(part).tobytes(), value)
    return value


@pytest.mark.parametrize("level, literal", [("easy", 3579542198), ("hard", 1387045935)])
def test_the_same_pictures_on_every_machine(level, literal):
    assert checksum(level) == literal
    assert checksum(level, seed=6) != literal


@pytest.mark.parametrize("level", ["easy", "hard"])
def test_boxes_are_the_extents_of_the_visible_masks(level):
    for sample in shapes(30, 128, 1, level):
        assert 1 <= len(sample.labels) <= 6
        assert sample.image.shape == (128, 128, 3) and sample.image.dtype == np.uint8
        np.testing.assert_array_equal(sample.boxes, mask_boxes(sample.masks))
        assert (sample.masks.sum(axis=0) <= 1).all()  # a pixel shows one object
        np.testing.assert_array_equal(sample.areas, sample.masks.sum(axis=(1, 2)))
        assert not sample.crowd.any()


@pytest.mark.parametrize("level", ["easy", "hard"])
def test_a_longer_dataset_begins_with_the_shorter(level):
    short, long = shapes(3, 64, 2, level), shapes(10, 64, 2, level)
    np.testing.assert_array_equal(short[2].image, long[2].image)
    np.testing.assert_array_equal(long[2].image, shapes(10, 64, 2, level, cache_bytes=0)[2].image)
    assert long[7].name == f"shapes-{level}/7" and long[7].image_id == 7


def test_all_classes_occur_evenly():
    for level, classes in (("easy", 3), ("hard", 8)):
        dataset = shapes(150, 64, 0, level)
        assert len(dataset.class_names) == classes
        counts = np.bincount(np.concatenate([s.labels for s in dataset]), minlength=classes + 1)
        assert counts[0] == 0
        assert counts[1:].min() > 0.6 * counts[1:].mean()


def test_easy_objects_can_be_seen_and_told_apart():
    for sample in shapes(40, 128, 3):
        assert len(sample.labels) <= 4
        for i, box in enumerate(sample.boxes):
            assert pairwise_iou(box[None], np.delete(sample.boxes, i, axis=0)).max(initial=0) < 0.5
        colours = [sample.image[m][0].astype(int) for m in sample.masks]
        for i, one in enumerate(colours):
            assert all(np.abs(one - other).sum() >= 96 for other in colours[:i])


def test_hard_objects_span_the_sizes_and_masks_do_not_fill_boxes():
    samples = list(shapes(200, 128, 4, "hard"))
    boxes = np.concatenate([s.boxes for s in samples])
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert sides.min() >= 8 and sides.max() <= 96
    assert (sides < 16).mean() > 0.1 and (sides > 60).mean() > 0.15
    fill = np.concatenate([s.areas for s in samples]) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    assert 0.5 < fill.mean() < 0.68  # the all-ones mask's IoU; 0.7 to 0.8 in the easy set


def test_hard_level_has_distractors_and_occlusion():
    samples = list(shapes(100, 128, 4, "hard"))
    assert sum(len(s.distractors) for s in samples) > 50
    overlaps = [
        pairwise_iou(b[None], np.delete(s.boxes, i, axis=0)).max(initial=0)
        for s in samples
        for i, b in enumerate(s.boxes)
    ]
    assert np.mean(np.array(overlaps) > 0.05) > 0.2


def test_each_knob_moves_what_it_names():
    def samples(**knobs):
        return list(shapes(60, 128, 8, "hard", Difficulty(**knobs)))

    plain, camouflaged = samples(proposal_camouflage=0.0), samples(proposal_camouflage=1.0)
    assert sum(len(s.distractors) for s in plain) == 0 < sum(len(s.distractors) for s in camouflaged)

    def contrast(group):
        return np.mean(
            [
                np.abs(s.image[m].mean(axis=0) - s.image[~s.masks.any(axis=0)].mean(axis=0)).max()
                for s in group
                for m in s.masks
            ]
        )

    assert contrast(plain) > 1.8 * contrast(camouflaged)

    def overlap(group):
        return np.mean(
            [
                pairwise_iou(b[None], np.delete(s.boxes, i, axis=0)).max(initial=0)
                for s in group
                for i, b in enumerate(s.boxes)
            ]
        )

    assert overlap(samples(box_occlusion=1.0)) > 1.5 * overlap(samples(box_occlusion=0.0))

    def roundness(group):  # of whole circles: area of the mask over the area of its box
        return np.std(
            [
                a / ((b[2] - b[0]) * (b[3] - b[1]))
                for s in group
                for a, b, label in zip(s.areas, s.boxes, s.labels, strict=True)
                if label == 1 and a > 200
            ]
        )

    flat = {"box_occlusion": 0.0}
    assert roundness(samples(mask_detail=1.0, **flat)) > 1.5 * roundness(samples(mask_detail=0.0, **flat))
    alike = [samples(class_likeness=v, box_occlusion=0.0) for v in (0.0, 1.0)]

    def squareness(group):
        return np.mean(
            [
                _short_over_long(m)
                for s in group
                for m, label in zip(s.masks, s.labels, strict=True)
                if label == 2 and m.sum() > 150
            ]
        )

    assert squareness(alike[1]) > squareness(alike[0]) + 0.08


def _short_over_long(mask):
    points = np.argwhere(mask) - np.argwhere(mask).mean(axis=0)
    spread = np.linalg.eigvalsh(points.T @ points)
    return np.sqrt(spread[0] / spread[1])


def test_filled_disc_has_the_area_of_a_disc():
    mask = filled(placed(disc(), 20 * 16, 0) + np.array([32 * 256, 32 * 256]), 64)
    assert abs(mask.sum() - np.pi * 400) < 12
    assert (mask != mask[::-1]).sum() <= 4  # points are rounded down
    assert mask[32, 12:52].all() and not mask[32, :12].any()


def test_outlines_are_clipped_at_the_picture():
    mask = filled(placed(disc(), 20 * 16, 0) + np.array([0, 0]), 64)
    assert abs(mask.sum() - np.pi * 100) < 12 and mask[0, 0]
    assert not filled(placed(disc(), 160, 0) + np.array([-9000, -9000]), 64).any()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((5, 128, 0, "medium"), "medium"),
        ((5, 16, 0, "easy"), "16 px"),
        ((5, 64, 0, "easy", Difficulty()), "hard"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(DataError, match=message):
        shapes(*arguments)
    with pytest.raises(DataError, match="between 0 and 1"):
        Difficulty(class_likeness=1.5)


def test_small_and_large_pictures_are_drawn():
    for size in (32, 256):
        for level in ("easy", "hard"):
            assert shapes(4, size, 0, level)[3].masks.shape[1:] == (size, size)


def test_drawing_is_fast():
    dataset = shapes(40, 128, 0, "hard", cache_bytes=0)
    begin = time.process_time()
    list(dataset)
    assert (time.process_time() - begin) / 40 < 0.02
