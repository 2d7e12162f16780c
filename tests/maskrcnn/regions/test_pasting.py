import numpy as np

from maskrcnn import paste_masks


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
