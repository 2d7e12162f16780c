import numpy as np
import pytest

from maskrcnn.data import DataError, Sample, batches, from_arrays

MASKS = np.zeros((2, 40, 60), bool)
MASKS[0, 5:15, 10:30] = MASKS[1, 20:30, 40:59] = True
IMAGE = np.full((40, 60, 3), 100, np.uint8)


def test_a_sample_of_three_arrays():
    sample = Sample.of(IMAGE, MASKS, [1, 3])
    np.testing.assert_array_equal(sample.boxes, np.array([[10, 5, 30, 15], [40, 20, 59, 30]], np.float32))
    assert sample.areas.tolist() == [200, 190] and not sample.crowd.any() and sample.entry == ("0", 0, 2, 0)
    assert {k: getattr(sample, k).dtype.name for k in ("boxes", "labels", "masks", "crowd", "areas")} == {
        "boxes": "float32", "labels": "int32", "masks": "bool", "crowd": "bool", "areas": "float64",
    }  # fmt: skip
    half = np.full((40, 60), 0.5, np.float32)
    grey = Sample.of(half, MASKS.astype(np.uint8), np.array([1, 2]), [True, False], 7, "x")
    assert grey.image.shape == (40, 60, 3) and (grey.image == 128).all() and grey.entry == ("x", 7, 2, 1)
    nothing = Sample.of(IMAGE, [], [])
    assert nothing.masks.shape == (0, 40, 60) and nothing.boxes.shape == (0, 4)


@pytest.mark.parametrize("image, masks, labels, message", [
    (IMAGE[..., :2], MASKS, [1, 2], "shape"), (IMAGE.astype(int), MASKS, [1, 2], "expected uint8"),
    (IMAGE / 3, MASKS, [1, 2], "floats in"), (IMAGE, MASKS[0], [1], r"expected \(N, 40, 60\)"),
    (IMAGE, MASKS, [1], "masks have the shape"), (IMAGE, MASKS[:, :-1], [1, 2], "masks have the shape"),
    (IMAGE, MASKS * 255, [1, 2], "0 or 1, found 0 to 255"), (IMAGE, MASKS, [0, 1], "from 1 on"),
    (IMAGE, MASKS, [1.5, 1], "whole numbers"), (IMAGE, MASKS & False, [1, 2], "mask 0 has no pixel"),
])  # fmt: skip
def test_arrays_that_do_not_fit(image, masks, labels, message):
    with pytest.raises(DataError, match=f"pic: .*{message}"):
        Sample.of(image, masks, labels, name="pic")


def test_a_data_set_in_three_lines(config):
    data = from_arrays([IMAGE, IMAGE[:30]], [MASKS, []], [["dog", "cat"], []], class_names=("cat", "dog"))
    assert [s.labels.tolist() for s in data] == [[2, 1], []] and data.class_names == ("cat", "dog")
    assert [s.name for s in data] == ["arrays/0", "arrays/1"] and [s.image_id for s in data] == [1, 2]
    assert from_arrays([IMAGE], [MASKS], [np.array([1, 2])], ["cat", "dog"])[0].labels.tolist() == [1, 2]
    assert next(iter(batches(data, config, 2)))["image"].shape[0] == 2


@pytest.mark.parametrize("labels", [[0, 1], [1, 3], ["cat", "bird"], [1.5, 1]])
def test_labels_that_are_no_class(labels):
    with pytest.raises(DataError, match=r"arrays/0: label .* is no class; expected a name of \['cat', 'dog'\], or 1"):
        from_arrays([IMAGE], [MASKS], [labels], ["cat", "dog"])


def test_lists_of_other_lengths():
    with pytest.raises(DataError, match="1 images, 2 masks and 1 labels"):
        from_arrays([IMAGE], [MASKS, MASKS], [[1, 2]], ["cat", "dog"])
