import os

import numpy as np
import pytest
import tensorflow as tf

from maskrcnn.data import Augmentation, DataError, batches, load_coco, shapes, whole_masks
from maskrcnn.data.batching.pipeline import epoch_order
from maskrcnn.data.dataset import Dataset, Sample
from maskrcnn.data.geometry import mask_boxes


def arrays(data):
    """Batches of arrays, with their whole masks."""
    return [{k: v.numpy() for k, v in batch.items()} | {"whole": whole_masks(batch)} for batch in data]


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def test_shapes_and_dtypes(config):
    data = batches(shapes(10, 128, 0), config, 4)
    assert data.cardinality() == 2
    for batch in data:
        count = int(max((batch["labels"].numpy() > 0).sum(axis=1)))
        assert {k: (v.shape.as_list(), v.dtype) for k, v in batch.items()} == {
            "image": ([4, 128, 128, 3], tf.float32),
            "image_size": ([4, 2], tf.float32),
            "boxes": ([4, count, 4], tf.float32),
            "labels": ([4, count], tf.int32),
            "masks": ([4, 65536], tf.uint8),
            "mask_windows": ([4, count, 4], tf.int32),
            "crowd": ([4, count], tf.bool),
        }


def test_content_without_resizing(config):
    dataset = shapes(3, 128, 0, "hard")
    batch = arrays(batches(dataset, config, 3, training=False))[0]
    for i, sample in enumerate(dataset):
        n = len(sample.labels)
        np.testing.assert_allclose(batch["image"][i], sample.image / np.float32(255), atol=1e-6)
        np.testing.assert_array_equal(batch["boxes"][i, :n], sample.boxes)
        np.testing.assert_array_equal(batch["whole"][i, :n].astype(bool), sample.masks)
        np.testing.assert_array_equal(batch["mask_windows"][i, :n], mask_boxes(sample.masks))
        np.testing.assert_array_equal(batch["labels"][i, :n], sample.labels)
        assert (
            not batch["boxes"][i, n:].any()
            and not batch["labels"][i, n:].any()
            and not batch["mask_windows"][i, n:].any()
            and not batch["whole"][i, n:].any()
        )


def _plain(height, width, objects, index=0):
    """A picture whose red is the column, with boxes of growing size."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 0] = np.arange(width) % 256
    boxes = np.array([[0, 0, 4 + 2 * i, 6 + i] for i in range(objects)], np.float32).reshape(-1, 4)
    masks = np.zeros((objects, height, width), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int), strict=True):
        mask[y0:y1, x0:x1] = True
    crowd = np.arange(objects) % 2 == 1
    return Sample(
        image,
        boxes,
        np.arange(1, objects + 1, dtype=np.int32),
        masks,
        crowd,
        masks.sum(axis=(1, 2)).astype(float),
        index,
        str(index),
    )


def listed(*samples):
    return Dataset("listed", tuple("abcdefghij"), len(samples), lambda i: samples[i])


def test_padding_of_size_and_objects(config):
    config.min_size, config.max_size = 40, 100
    batch = arrays(batches(listed(_plain(40, 50, 1), _plain(80, 120, 3)), config, 2, training=False))[0]
    np.testing.assert_array_equal(batch["image_size"], [[40, 50], [40, 60]])
    assert batch["image"].shape == (2, 64, 64, 3) and batch["whole"].shape == (2, 3, 64, 64)
    assert not batch["image"][0, :, 50:].any() and not batch["image"][1, 40:].any()
    assert batch["image"][0, 39, 49].any() and batch["image"][1, 39, 59].any()
    np.testing.assert_array_equal(batch["labels"], [[1, 0, 0], [1, 2, 3]])
    np.testing.assert_array_equal(batch["crowd"], [[False] * 3, [False, True, False]])
    np.testing.assert_allclose(batch["boxes"][1], listed(_plain(80, 120, 3))[0].boxes / 2)


def test_resizing_is_half_pixel_bilinear_without_antialias(config):
    config.min_size = config.max_size = 20
    batch = arrays(batches(listed(_plain(60, 60, 1)), config, 1, training=False))[0]
    # Target pixel x looks at source 3 x + 1, exactly: no neighbour is mixed in.
    np.testing.assert_allclose(batch["image"][0, 0, :20, 0] * 255, np.arange(20) * 3 + 1, atol=1e-3)
    config.min_size = config.max_size = 120
    batch = arrays(batches(listed(_plain(60, 60, 1)), config, 1, training=False))[0]
    np.testing.assert_allclose(batch["image"][0, 0, 1:5, 0] * 255, [0.25, 0.75, 1.25, 1.75], atol=1e-3)


def test_picture_without_objects_and_too_many(config):
    config.min_size = config.max_size = 64
    batch = arrays(batches(listed(_plain(64, 64, 0)), config, 1, training=False))[0]
    assert batch["labels"].tolist() == [[0]] and batch["boxes"].shape == (1, 1, 4)
    config.max_instances = 2
    batch = arrays(batches(listed(_plain(64, 64, 4)), config, 1, training=False))[0]
    assert batch["labels"].tolist() == [[3, 4]]  # the largest, in their order


def test_last_batch(config):
    dataset = shapes(5, 64, 0)
    config.min_size = config.max_size = 64
    assert [len(b["image"]) for b in batches(dataset, config, 2)] == [2, 2]
    evaluation = batches(dataset, config, 2, training=False)
    assert evaluation.cardinality() == 3
    assert [len(b["image"]) for b in evaluation] == [2, 2, 1]
    with pytest.raises(DataError, match="5 pictures, fewer than one batch of 8"):
        batches(dataset, config, 8)


def test_epoch_order_is_a_permutation_of_seed_and_epoch():
    orders = [epoch_order(50, seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1, 2)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 6
    assert epoch_order(8, 0, 0).tolist() == [6, 4, 2, 7, 0, 5, 3, 1]


def test_deterministic_with_augmentation(config):
    dataset = shapes(24, 128, 0, cache_bytes=0)
    one = arrays(batches(dataset, config, 4, seed=3, augment="standard", epoch=2))
    assert_same(one, arrays(batches(dataset, config, 4, seed=3, augment="standard", epoch=2)))
    other = arrays(batches(dataset, config, 4, seed=3, augment="standard", epoch=3))
    assert not np.array_equal(one[0]["image"], other[0]["image"])


def test_a_callable_epoch_is_asked_for_each_pass(config):
    now = iter([0, 7])
    data = batches(shapes(12, 128, 0), config, 4, seed=1, augment="flip", epoch=lambda: next(now))
    first, second = arrays(data), arrays(data)
    assert_same(first, arrays(batches(shapes(12, 128, 0), config, 4, seed=1, augment="flip", epoch=0)))
    assert_same(second, arrays(batches(shapes(12, 128, 0), config, 4, seed=1, augment="flip", epoch=7)))


def test_augmented_boxes_are_the_masks_extents(config):
    data = batches(shapes(24, 128, 0, "hard"), config, 4, augment="standard")
    for batch in arrays(data):
        for i in range(4):
            real = batch["labels"][i] > 0
            masks = batch["whole"][i][real].astype(bool)
            visible = masks.any(axis=(1, 2))
            # Nearest sampling may skip the tip of an outline.
            apart = np.abs(batch["boxes"][i][real][visible] - mask_boxes(masks[visible]))
            assert apart.max(initial=0) < 3 and apart.mean() < 1
            height, width = batch["image_size"][i].astype(int)
            assert not batch["image"][i, height:].any() and not batch["image"][i, :, width:].any()
            assert not batch["whole"][i][:, height:].any()
        assert batch["image"].min() >= 0 and batch["image"].max() <= 1


def test_a_flip_alone_mirrors_everything(config):
    dataset = shapes(2, 128, 0)
    plain = arrays(batches(dataset, config, 2, training=False))[0]
    mirrored = arrays(batches(dataset, config, 2, training=False, augment=Augmentation(flip=1.0)))[0]
    np.testing.assert_array_equal(mirrored["image"], plain["image"][:, :, ::-1])
    np.testing.assert_array_equal(mirrored["whole"], plain["whole"][:, :, :, ::-1])
    real = plain["labels"] > 0
    np.testing.assert_array_equal(mirrored["boxes"][real][:, 0], 128 - plain["boxes"][real][:, 2])


def test_reads_only_what_is_ahead_by_a_bounded_number(config):
    read = []

    def slow(index):
        read.append(index)
        return _plain(64, 64, 1, index)

    config.min_size = config.max_size = 64
    data = batches(Dataset("many", ("a",), 10_000, slow), config, 2)
    iterator = iter(data)
    next(iterator)
    del iterator
    assert len(read) < 20 + 2 * (os.cpu_count() or 1)  # two waiting batches, the one taken and the parallel calls


def test_errors_while_reading_name_the_file(config, coco, tmp_path):
    dataset = load_coco(*coco())
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(tf.errors.OpError, match=r"a\.png.*cannot be read"):
        list(batches(dataset, config, 1))
