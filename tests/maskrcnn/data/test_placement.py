from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn.data.batching.batch import whole_masks
from maskrcnn.data.batching.pixels import pad_pixels, resize_pixels
from maskrcnn.data.placement import Placement, place

SQUARE = SimpleNamespace(
    min_size=48, max_size=128, size_divisor=64, max_instances=9, square_fit=True, box_last_pixel=True
)


@pytest.mark.parametrize(
    ("old", "size", "offset"),
    [
        ((100, 100), (100, 100), (14, 14)),  # never made smaller but to fit
        ((24, 30), (48, 60), (40, 34)),
        ((400, 100), (128, 32), (0, 48)),
        ((40, 110), (47, 128), (40, 0)),  # 1.2 times would be 132 px wide
        ((99, 100), (99, 100), (14, 14)),  # the odd row below
    ],
)
def test_a_picture_is_in_the_middle_of_the_square(old, size, offset):
    found = place(old, SQUARE)
    assert (found.size, found.offset, found.padded) == (size, offset, (128, 128))
    image = pad_pixels(tf.ones((*size, 3)), SQUARE).numpy()
    assert image.shape == (128, 128, 3) and image.sum() == 3 * size[0] * size[1]
    assert image[offset[0], offset[1]].all() and not image[: offset[0]].any() and not image[:, : offset[1]].any()


def test_boxes_of_other_configs_scale_by_axis():
    config = SimpleNamespace(min_size=50, max_size=50, size_divisor=32)
    assert place((100, 50), config) == Placement((100, 50), (50, 25), (64, 32))
    boxes = Placement((100, 50), (200, 25), (224, 32)).into(np.array([[10, 20, 30, 40]], np.float32), np.float32)
    np.testing.assert_array_equal(boxes, np.array([[5, 40, 15, 80]], np.float32))
    assert boxes.dtype == np.float32


def test_boxes_end_at_their_last_pixel_and_come_back():
    found = place((24, 30), SQUARE)
    boxes = np.array([[0, 0, 30, 24], [29, 23, 30, 24]], np.float32)
    inside = found.into(boxes)
    np.testing.assert_allclose(inside, [[34, 40, 93, 87], [93, 87, 93, 87]])
    np.testing.assert_allclose(found.back(inside.astype(np.float32)), boxes, atol=1e-5)


def test_bytes_stay_bytes_and_beyond_the_picture_is_black():
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for image, white in ((picture, 255.0), (picture / np.float32(255), 1.0)):
        same = resize_pixels(image, (20, 30), SQUARE, white)
        np.testing.assert_allclose(np.asarray(same) * 255 / white, picture, atol=1e-3)
    grey = np.full((20, 30, 3), 200, np.uint8)
    double = resize_pixels(grey, (40, 60), SQUARE, 255.0).numpy()[..., 0]
    assert (double[1:-1, 1:-1] == 200).all()
    assert (double[0, 1:-1] == 150).all() and double[0, 0] == 112  # a quarter of the sample lies beyond


def test_a_batch_has_boxes_and_masks_where_the_picture_is():
    image, mask = np.zeros((60, 90, 3), np.uint8), np.zeros((2, 60, 90), bool)
    mask[0, 5:25, 10:50], mask[1, 59, 89] = True, True
    data = maskrcnn.data.from_arrays([image], [mask], [["a", "a"]], class_names=("a",))
    (batch,) = maskrcnn.data.batches(data, SQUARE, 1, training=False)
    assert batch["image"].shape == (1, 128, 128, 3)
    for box, whole in zip(batch["boxes"][0].numpy(), whole_masks(batch)[0], strict=True):
        rows, columns = np.nonzero(whole)
        np.testing.assert_array_equal(box, [columns.min(), rows.min(), columns.max(), rows.max()])
