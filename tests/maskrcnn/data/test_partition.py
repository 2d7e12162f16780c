import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.data import DataError, Dataset, Sample, from_arrays
from maskrcnn.data.partition import assign


def named(count=20, sources=5):
    masks = np.ones((1, 8, 9), bool)
    image = np.zeros((8, 9, 3), np.uint8)
    samples = [Sample.of(image, masks, [1], image_id=i, name=f"s{i % sources}/p{i}.png") for i in range(count)]
    return Dataset("named", ("thing",), count, samples.__getitem__)


def ids(dataset):
    return [s.image_id for s in dataset]


def test_fractions_and_counts():
    data = named()
    train, test = data.split([0.8, 0.2], seed=3)
    assert (len(train), len(test)) == (16, 4) and sorted(ids(train) + ids(test)) == list(range(20))
    assert ids(train) == ids(data.split([0.8, 0.2], seed=3)[0]) != ids(data.split([0.8, 0.2], seed=4)[0])
    assert [len(part) for part in data.split([5, 3, 2])] == [5, 3, 2]
    assert [len(part) for part in data.split([0.5, 0.25])] == [10, 5]
    assert train.class_names == ("thing",)


@pytest.mark.parametrize("by", ["parent", lambda name: name.split("/")[0]])
def test_pictures_of_one_source_stay_together(by):
    parts = named().split([0.6, 0.4], seed=1, by=by)
    sources = [{i % 5 for i in ids(part)} for part in parts]
    assert not sources[0] & sources[1] and sources[0] | sources[1] == set(range(5))
    assert [len(part) for part in parts] == [12, 8]


@given(st.lists(st.integers(0, 6), min_size=4, max_size=40), st.integers(0, 99))
def test_nothing_is_in_two_parts_or_torn_from_its_group(keys, seed):
    try:
        parts = assign(keys, [0.5, 0.3, 0.2], seed, "data")
    except DataError as error:
        assert error.reason == "empty dataset"
        return
    assert sorted(i for rows in parts for i in rows) == list(range(len(keys)))
    groups = [{keys[i] for i in rows} for rows in parts]
    assert all(not one & other for n, one in enumerate(groups) for other in groups[:n])


@pytest.mark.parametrize("parts", [[], [0.8, 0.3], [15, 6], [0, 5], [-1, 2], [0.5, -0.1]])
def test_parts_that_cannot_be(parts):
    with pytest.raises(DataError, match="cannot be split"):
        named().split(parts)


def test_an_empty_part_is_an_error():
    with pytest.raises(DataError, match="part 1 of the split .* would be empty: 20 samples in 1 groups"):
        named().split([0.8, 0.2], by=lambda name: "all")
    with pytest.raises(DataError, match="no such attribute"):
        named().split([0.8, 0.2], by="source")


def arrays(classes, labels):
    masks = np.ones((len(labels), 8, 9), bool)
    return from_arrays([np.zeros((8, 9, 3), np.uint8)], [masks], [labels], classes)


def test_joined_data_sets_match_classes_by_name():
    one, other = arrays(["cat", "dog"], ["dog", "cat"]), arrays(["dog", "cat", "bird"], ["dog", "cat", "bird"])
    both = one + other
    assert both.class_names == ("cat", "dog", "bird") and len(both) == 2
    assert [[both.class_names[i - 1] for i in s.labels] for s in both] == [["dog", "cat"], ["dog", "cat", "bird"]]
    assert [both.entry(i).objects for i in range(2)] == [2, 3]
    assert (one + one).class_names == one.class_names
    with pytest.raises(TypeError):
        one + 3


def test_ids_of_joined_categories_stay_apart():
    def dataset(classes, ids):
        return Dataset("d", classes, 1, lambda i: None, {"no mask": 1}, category_ids=ids)

    same = dataset(["a", "b"], [7, None]) + dataset(["b", "a"], [9, 7])
    assert same.category_ids == (7, 9) and same.dropped == {"no mask": 2}
    assert (dataset(["a"], [7]) + dataset(["b"], [7])).category_ids == (1, 2)
