from pathlib import Path

import numpy as np
import pytest

from maskrcnn import paste_masks

STATUS = Path("/proc/self/status")


def resident():
    """Bytes of memory that the process holds."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def test_a_full_mask_fills_its_box():
    found = paste_masks(np.ones((1, 28, 28)), [[10, 20, 40, 60]], 100, 80)[0]
    assert found.shape == (100, 80)
    inside = found > 0.5
    ys, xs = np.nonzero(inside)
    # The border of one cell and whole pixels let it grow by at most one pixel on each side.
    np.testing.assert_allclose((xs.min(), xs.max(), ys.min(), ys.max()), (10, 39, 20, 59), atol=1)
    assert inside[20:60, 10:40].all()


def test_a_box_over_the_edge_is_cut():
    found = paste_masks(np.ones((1, 28, 28)), [[-10, -10, 20, 20]], 30, 30)[0] > 0.5
    assert found[:19, :19].all() and not found[22:].any()


def test_halves_stay_in_place():
    mask = np.zeros((1, 28, 28))
    mask[:, :, 14:] = 1
    found = paste_masks(mask, [[0, 0, 56, 56]], 56, 56)[0] > 0.5
    assert not found[:, :27].any() and found[:, 29:].all()


def test_no_masks():
    assert paste_masks(np.zeros((0, 28, 28)), np.zeros((0, 4)), 5, 6).shape == (0, 5, 6)


def test_a_box_outside_leaves_nothing():
    assert not paste_masks(np.ones((1, 28, 28)), [[200, 200, 220, 220]], 50, 50).any()


def test_a_threshold_gives_the_same_masks_and_writes_inside_the_boxes_alone():
    rng = np.random.default_rng(0)
    corner = rng.uniform(-10, 60, (20, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 50, (20, 2))], axis=1)
    probs = rng.random((20, 28, 28))
    found = paste_masks(probs, boxes, 70, 90, threshold=0.5)
    np.testing.assert_array_equal(found, paste_masks(probs, boxes, 70, 90) > 0.5)
    assert paste_masks(probs[:0], boxes[:0], 5, 6, threshold=0.5).dtype == bool


@pytest.mark.skipif(not STATUS.exists(), reason="reads the memory of a process as Linux tells it")
def test_memory_of_pasting_is_that_of_the_boxes():
    """100 masks of a picture of 12 Mpx: 4.5 GiB of probabilities, 1.1 of masks if all were written."""
    boxes = np.tile(np.float32([100, 100, 500, 400]), (100, 1))
    before = resident()
    found = paste_masks(np.ones((100, 28, 28)), boxes, 3000, 4000, threshold=0.5)
    assert found.shape == (100, 3000, 4000) and found[99, 250, 300]
    assert resident() - before < 600 * 2**20


def test_a_mask_can_fill_its_box_to_the_pixel():
    box = np.float32([[10.4, 19.6, 38.4, 76.2]])
    found = paste_masks(np.ones((1, 28, 28)), box, 100, 80, to_box=True)[0]
    assert found[20:76, 10:38].min() > 0.5 and found.sum() == found[20:76, 10:38].sum()
    exact = np.random.default_rng(0).uniform(size=(1, 28, 28))
    found = paste_masks(exact, [[5, 6, 33, 34]], 50, 50, to_box=True)[0]
    np.testing.assert_allclose(found[6:34, 5:33], exact[0], atol=1e-6)
