import numpy as np
from pytest import approx

from maskrcnn.box_overlap import aligned_iou, covered, pairwise_iou
from maskrcnn.data.cut_masks import CutMasks
from maskrcnn.evaluation.isolated import mask_overlaps
from maskrcnn.evaluation.overlap import boundary_iou, erode, in_window, mask_iou, resample_masks
from maskrcnn.regions.pasting import paste_masks


def test_box_overlaps():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 4, 4]])
    other = np.array([[5, 0, 15, 10]])
    assert pairwise_iou(boxes, other)[:, 0] == approx([50 / 150, 0])
    assert covered(boxes, np.array([[0, 0, 2, 10]]))[:, 0] == approx([0.2, 0.5])
    assert aligned_iou(np.array([[np.nan, 0, 1, 1], [3, 3, 1, 1]]), boxes).tolist() == [0, 0]


def test_mask_iou_of_a_shift():
    masks = np.zeros((2, 8, 8), bool)
    masks[0, 2:6, 2:6] = masks[1, 2:6, 3:7] = True
    assert mask_iou(masks[:1], masks[1:]) == approx([12 / 20])
    assert mask_iou(masks[:1] & False, masks[:1] & False).tolist() == [0]


def slow_boundary(mask, distance):
    """The paper's way: so many erosions by a 3 x 3 window, the frame's outside being 0."""
    eroded = np.pad(mask, 1)
    for _ in range(distance):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(eroded, 1), (3, 3))
        eroded = windows.all(axis=(2, 3))
    return mask & ~eroded[1:-1, 1:-1]


def test_boundary_iou_equals_repeated_erosion():
    rng = np.random.default_rng(0)
    for height, width, distance in ((60, 80, 2), (128, 128, 4), (20, 20, 1)):
        rows, columns = np.mgrid[:height, :width]
        centres = rng.uniform(0, 1, (6, 2)) * [height, width]
        radii = rng.uniform(0.1, 0.5, 6) * height
        masks = np.array(
            [np.hypot(rows - y, columns - x) < r for (y, x), r in zip(centres, radii, strict=True)]
        )
        first, second = (
            masks[:3],
            masks[:3] & np.roll(masks[:3], 2, axis=2) | masks[3:] & (rng.random() > 0.5),
        )
        assert np.array_equal(masks & ~erode(masks, distance), [slow_boundary(m, distance) for m in masks])
        expected = []
        for one, other in zip(first, second, strict=True):
            a, b = slow_boundary(one, distance), slow_boundary(other, distance)
            expected.append((a & b).sum() / (a | b).sum())
        assert boundary_iou(first, second) == approx(expected, abs=1e-12)


def test_boundary_iou_sees_what_mask_iou_does_not():
    rows, columns = np.mgrid[:100, :100]
    large = (np.hypot(rows - 50, columns - 50) < 40)[None]
    smaller = (np.hypot(rows - 50, columns - 50) < 38.5)[None]
    assert mask_iou(large, smaller)[0] > 0.9 and boundary_iou(large, smaller)[0] < 0.5


def test_resampled_masks_keep_their_area():
    masks = np.zeros((3, 40, 50), bool)
    masks[0, 3:30, 10:31] = masks[1, 0:7, 0:5] = True
    masks[2] = np.add.outer(np.arange(40), np.arange(50)) % 7 < 3
    boxes = np.array([[10, 3, 31, 30], [0, 0, 5, 7], [4.5, 6.25, 40.25, 33.5]])
    small = resample_masks(CutMasks.of(masks), boxes, 28)
    assert small.shape == (3, 28, 28)
    assert small[:2] == approx(np.ones((2, 28, 28)), abs=1e-5)
    weight_y = np.clip(np.minimum(np.arange(40) + 1, 33.5) - np.maximum(np.arange(40), 6.25), 0, None)
    weight_x = np.clip(np.minimum(np.arange(50) + 1, 40.25) - np.maximum(np.arange(50), 4.5), 0, None)
    assert small[2].mean() * 35.75 * 27.25 == approx(weight_y @ masks[2] @ weight_x, rel=1e-5)


def test_overlaps_in_windows_are_those_of_whole_pictures():
    """Boxes over every edge, far from their masks, and thinner than a pixel; masks that are empty or all of it."""
    rng = np.random.default_rng(1)
    low = rng.uniform(-20, 60, (80, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.3, 90, (80, 2))], axis=1).astype(np.float32)
    masks = np.zeros((80, 70, 90), bool)
    masks[1] = True
    for mask, (x0, y0, x1, y1) in zip(masks[2:], np.clip(boxes[2:], 0, 90).astype(int), strict=True):
        mask[y0:y1, x0:x1] = rng.random((max(y1 - y0, 0), max(x1 - x0, 0)))[: 70 - y0] < 0.9
    masks[40:60] = np.roll(masks[40:60], 23, axis=2)
    small = rng.random((80, 14, 14)).astype(np.float32)
    pasted = paste_masks(small, boxes, 70, 90, threshold=0.5)
    iou, boundary = mask_overlaps(small, boxes, CutMasks.of(masks))
    assert 0 < np.mean(iou == 0) < 0.6 and len(np.unique(iou)) > 30
    np.testing.assert_array_equal(iou, mask_iou(pasted, masks))
    np.testing.assert_array_equal(boundary, boundary_iou(pasted, masks))


def test_a_window_shows_what_is_in_it():
    masks = np.random.default_rng(2).random((4, 20, 30)) < 0.3
    masks[3] = False
    for window in ((0, 0, 30, 20), (7, 3, 19, 11), (29, 19, 30, 20), (4, 4, 4, 9)):
        x0, y0, x1, y1 = window
        for number in range(4):
            np.testing.assert_array_equal(in_window(CutMasks.of(masks), number, window), masks[number, y0:y1, x0:x1])
