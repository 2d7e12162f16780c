import numpy as np
import pytest
import tensorflow as tf

from maskrcnn import MaskRCNNConfig
from maskrcnn.data.cut_masks import CutMasks
from maskrcnn.regions.mask_targets import mask_targets
from maskrcnn.regions.roi_align import align_one


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("ratio", [0, 2])
def test_mask_of_an_object_seen_through_its_own_box(ratio, cut):
    masks = np.zeros((1, 2, 64, 64), "uint8")
    masks[0, 1, 16:48, 8:40] = 1
    masks[0, 1, 16:32, 8:24] = 0  # all but the first quarter
    config = MaskRCNNConfig(class_names=("a",), mask_target_sampling_ratio=ratio)
    rois = tf.constant([[8, 16, 40, 48]], tf.float32)
    batch = batch_of(masks, np.float32([[64, 64]]), cut)
    found = mask_targets(batch, rois, tf.constant([0]), tf.constant([1]), 4, config)
    wanted = np.ones((4, 4))
    wanted[:2, :2] = 0
    np.testing.assert_array_equal(found[0], wanted)


@pytest.mark.parametrize("cut", [False, True])
def test_beyond_the_picture_the_edge_is_repeated(cut):
    masks = np.zeros((1, 1, 32, 32), "uint8")
    masks[:, :, :20, :20] = 1  # the picture is 20 px, the rest is padding
    config = MaskRCNNConfig(class_names=("a",), mask_target_binary=False, roi_aligned=False)
    rois = tf.constant([[10, 10, 20, 20]], tf.float32)
    batch = batch_of(masks, np.float32([[20, 20]]), cut)
    found = mask_targets(batch, rois, tf.constant([0]), tf.constant([0]), 28, config)
    np.testing.assert_allclose(found, 1.0)


def batch_of(masks, size, cut):
    """A batch of the masks (B, G, H, W), whole or cut."""
    batch = {"image": np.zeros((len(masks), *masks.shape[2:], 3), "float32"), "image_size": size, "masks": masks}
    if not cut:
        return batch
    parts = [CutMasks.of(whole.astype(bool)) for whole in masks]
    rows = [np.pad(part.pixels(), (0, masks[0].size + 5 - len(part.pixels()))) for part in parts]
    return batch | {"masks": np.uint8(rows), "mask_windows": np.stack([part.windows for part in parts])}


def drawn(seed=0, count=30):
    """Three pictures of four blobs, padded; regions that reach over the edge too."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[:48, :60]
    centre, radius = rng.uniform(5, 45, (2, 3, 4, 1, 1)), rng.uniform(3, 15, (3, 4, 1, 1))
    masks = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).astype("uint8")
    size = np.float32([[48, 60], [40, 60], [33, 41]])
    corner = rng.uniform(-5, 40, (count, 2))
    rois = np.concatenate([corner, corner + rng.uniform(0.5, 40, (count, 2))], axis=1).astype("float32")
    picture, matched = (rng.integers(0, most, count).astype("int32") for most in (3, 4))
    return masks, size, rois, picture, matched


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("ratio", [0, 1, 2])
@pytest.mark.parametrize("aligned", [False, True])
def test_targets_are_to_the_bit_those_of_each_mask_padded_for_each_region(ratio, aligned, cut):
    masks, size, rois, picture, matched = drawn()
    config = MaskRCNNConfig(
        class_names=("a",), mask_target_binary=False, mask_target_sampling_ratio=ratio, roi_aligned=aligned
    )
    found = mask_targets(batch_of(masks, size, cut), rois, picture, matched, 7, config).numpy()
    for one, roi in enumerate(rois):
        height, width = size[picture[one]].astype(int)
        mask = np.pad(
            masks[picture[one], matched[one], :height, :width], [(0, 48 - height), (0, 60 - width)], mode="edge"
        )
        least = 0.0 if aligned else 1.0
        sides = [np.maximum(np.float32(roi[3] - roi[1]), least), np.maximum(np.float32(roi[2] - roi[0]), least)]
        counts = ratio or tuple(tf.constant(max(1, int(np.ceil(side / np.float32(7))))) for side in sides)
        wanted = align_one(mask[None, ..., None], roi[None], np.zeros(1, "int32"), 1.0, 7, counts, aligned)
        np.testing.assert_array_equal(found[one], wanted[0, ..., 0], err_msg=str(one))


@pytest.mark.parametrize("cut", [False, True])
def test_fixed_shapes_give_the_same_targets(cut):
    config = MaskRCNNConfig(class_names=("a",), mask_target_binary=False)
    masks, size, *regions = drawn()
    batch = batch_of(masks, size, cut)
    plain, fixed = (mask_targets(batch, *regions, 7, config, static).numpy() for static in (False, True))
    np.testing.assert_allclose(plain, fixed, atol=1e-4)


@pytest.mark.parametrize("ratio, static", [(0, False), (2, False), (2, True)])
def test_an_empty_mask_is_zero_everywhere(ratio, static):
    """Also one that stands behind all others, whose pixels would begin where the row ends."""
    masks = np.ones((2, 3, 20, 20), "uint8")
    masks[:, 1:] = 0
    full = batch_of(masks, np.float32([[20, 20]] * 2), cut=True)
    full["masks"] = full["masks"][:, :400]
    config = MaskRCNNConfig(class_names=("a",), mask_target_sampling_ratio=ratio)
    rois = np.float32([[0, 0, 20, 20], [2, 3, 18, 12], [-4, -4, 30, 30]] * 2)
    found = mask_targets(full, rois, np.repeat([0, 1], 3), np.tile([0, 1, 2], 2), 7, config, static).numpy()
    np.testing.assert_array_equal(found.max(axis=(1, 2)), [1, 0, 0] * 2)
