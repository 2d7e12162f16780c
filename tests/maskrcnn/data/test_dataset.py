import numpy as np
import pytest

from maskrcnn.data import DataError, Dataset, shapes
from maskrcnn.data.dataset import Sample


def numbered(index):
    masks = np.zeros((1, 8, 9), bool)
    masks[0, index % 8, index % 9] = True
    return Sample(
        np.full((8, 9, 3), index, np.uint8),
        np.ones((1, 4), np.float32),
        np.ones(1, np.int32),
        masks,
        np.zeros(1, bool),
        np.ones(1),
        index,
        str(index),
    )


def test_reads_lazily_and_indexes_like_a_sequence():
    read = []
    dataset = Dataset("n", ("thing",), 5, lambda i: read.append(i) or numbered(i))
    assert read == []
    assert dataset[-1].image_id == 4
    assert read == [4]
    assert [s.image_id for s in dataset] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError, match="5 samples"):
        dataset[5]


def test_subset_keeps_order_and_names():
    part = Dataset("n", ("thing",), 5, numbered).subset([3, 1]).subset([1, 0, 0])
    assert [s.image_id for s in part] == [1, 3, 3]
    assert part.class_names == ("thing",)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dataset("n", ("a",), 0, numbered),
        lambda: shapes(0, 64, 0),
        lambda: shapes(3, 64, 0).subset([]),
    ],
)
def test_empty_is_an_error(make):
    with pytest.raises(DataError, match="empty"):
        make()


def test_cache_returns_the_same_sample_and_reads_once():
    read = []
    dataset = Dataset("n", ("thing",), 5, lambda i: read.append(i) or numbered(i)).cached()
    for _ in range(2):
        sample = dataset[3]
        np.testing.assert_array_equal(sample.masks, numbered(3).masks)
        np.testing.assert_array_equal(sample.image, numbered(3).image)
        assert sample.masks.dtype == bool
    assert read == [3]


def test_cache_is_bounded():
    read = []
    one = 8 * 9 * 3 + 1 + 16 + 16 + 1024  # picture, packed mask, its window, boxes, allowance
    dataset = Dataset("n", ("thing",), 5, lambda i: read.append(i) or numbered(i)).cached(max_bytes=2 * one)
    for _ in range(2):
        list(dataset)
    assert read == [0, 1, 2, 3, 4, 2, 3, 4]


def test_only_some_classes_are_kept_and_numbered_anew():
    data = shapes(6, 64, seed=3)
    last, first = data.class_names[2], data.class_names[0]
    few = data.of_classes([last, first])
    assert few.class_names == (last, first) and few.category_ids == (3, 1) and len(few) == 6
    seen = 0
    for old, new in zip(data, few, strict=True):
        kept = [i for i, label in enumerate(old.labels) if label in (1, 3)]
        assert new.labels.tolist() == [{3: 1, 1: 2}[int(old.labels[i])] for i in kept]
        np.testing.assert_array_equal(new.masks, old.masks[kept])
        np.testing.assert_array_equal(new.boxes, old.boxes[kept])
        assert len(new.crowd) == len(new.areas) == len(kept)
        seen += len(old.labels) - len(kept)
    assert seen
    with pytest.raises(DataError, match=r"no class 'panda'; there are"):
        data.of_classes(["panda"])
