import numpy as np
import pytest
from pycocotools.mask import decode

from maskrcnn.data import Sample, load_coco, whole_masks
from maskrcnn.data.batching.batch import mask_pixels
from maskrcnn.data.cut_masks import CutMasks
from maskrcnn.data.formats.run_lengths import cut_masks, from_bitmap, from_polygons
from maskrcnn.data.geometry import mask_boxes
from maskrcnn.data.resize import nearest_index


def masks(seed=0, count=12, height=37, width=52):
    """Scattered blobs, single pixels, one empty mask, one full and one at the corner."""
    rng = np.random.default_rng(seed)
    found = np.zeros((count, height, width), bool)
    for mask in found[3:]:
        y, x = rng.integers(0, height), rng.integers(0, width)
        mask[y : y + rng.integers(1, 20), x : x + rng.integers(1, 20)] = True
        mask &= rng.random((height, width)) < 0.5
        mask[y, x] = True
    found[1], found[2, -1, -1] = True, True
    return found


def assert_holds(cut, whole):
    """It is cut tightly, and gives the whole masks back."""
    assert cut.size == whole.shape[1:] and len(cut) == len(whole) and cut.windows.dtype == np.int32
    np.testing.assert_array_equal(cut.whole(), whole)
    np.testing.assert_array_equal(cut.windows, mask_boxes(whole))
    np.testing.assert_array_equal(cut.areas(), whole.sum(axis=(1, 2)))
    again = CutMasks.from_pixels(cut.size, cut.windows, cut.pixels())
    np.testing.assert_array_equal(again.whole(), whole)


@pytest.mark.parametrize("seed", range(3))
def test_every_change_is_that_of_the_whole_masks(seed):
    whole = masks(seed)
    cut = CutMasks.of(whole)
    assert_holds(cut, whole)
    assert_holds(cut.flipped(), whole[:, :, ::-1])
    for turns in range(5):
        assert_holds(cut.turned(turns), np.rot90(whole, turns, axes=(1, 2)))
    assert_holds(cut.cropped((5, 8, 30, 41)), whole[:, 5:30, 8:41])
    assert_holds(cut.take(np.arange(12) % 2 == 1), whole[1::2])
    assert_holds(cut.turned(1).cropped((3, 0, 40, 20)).flipped(), np.rot90(whole, 1, (1, 2))[:, 3:40, :20][:, :, ::-1])
    assert_holds(CutMasks.of(whole[:0]).resized((9, 9)), np.zeros((0, 9, 9), bool))


@pytest.mark.parametrize("new", [(37, 52), (74, 104), (61, 85), (18, 26), (5, 90), (1, 1)])
def test_resizing_samples_the_nearest_pixels_of_the_whole_masks(new):
    whole = masks(4)
    wanted = whole[:, nearest_index(37, new[0])][:, :, nearest_index(52, new[1])]
    assert_holds(CutMasks.of(whole).resized(new), wanted)


@pytest.mark.parametrize("seed", range(4))
def test_run_lengths_are_cut_as_they_decode(seed):
    rng = np.random.default_rng(seed)
    whole = masks(seed)[1:]
    noise = rng.random((6, 37, 52)) < np.array([0.01, 0.1, 0.5, 0.9, 0.99, 1])[:, None, None]
    for found in (whole, noise, whole[:, :, :1], whole[:, :1], np.zeros((1, 5, 7), bool)):
        runs = [from_bitmap(mask) for mask in found]
        assert_holds(cut_masks(runs, *found.shape[1:]), found)
    corners = [rng.uniform(0, 50, 2 * points) for points in (3, 5, 9)]
    drawn = [from_polygons([outline], 37, 52) for outline in corners] + [from_polygons(corners, 37, 52)]
    assert_holds(cut_masks(drawn, 37, 52), np.stack([decode(mask).astype(bool) for mask in drawn]))


def test_a_sample_makes_masks_whole_when_asked(coco):
    sample = load_coco(*coco())[0]
    held = vars(sample)["masks"]
    assert isinstance(held, CutMasks) and sample.cut_masks is held
    masks = sample.masks
    assert masks.shape == (2, 40, 60) and masks.dtype == bool and sample.masks is masks
    masks[0] = False  # what a user changes is what is trained on
    assert sample.cut_masks.areas().tolist() == [0, 80]
    plain = Sample.of(np.zeros((4, 5, 3), np.uint8), np.ones((1, 4, 5)), [1])
    assert plain.cut_masks.windows.tolist() == [[0, 0, 5, 4]]


def test_masks_of_a_batch_may_be_whole():
    whole = np.random.default_rng(0).integers(0, 2, (2, 3, 8, 6)).astype(np.uint8)
    batch = {"image": np.zeros((2, 8, 6, 3), np.float32), "masks": whole}
    assert whole_masks(batch) is whole
    pixels, windows = (value.numpy() for value in mask_pixels(batch))
    assert windows.tolist() == [[[0, 0, 6, 8]] * 3] * 2
    np.testing.assert_array_equal(pixels.reshape(2, 3, 8, 6), whole)
    batch |= {"masks": pixels, "mask_windows": windows}
    np.testing.assert_array_equal(whole_masks(batch), whole)
