import warnings

import numpy as np
import pytest

from maskrcnn.data import DataError, Dataset, DataWarning, Sample, batches, load_coco


def no_objects(content):
    content["annotations"] = []


def crowds(content):
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1


def boxes_only(content):
    for annotation in content["annotations"]:
        annotation["segmentation"] = []


@pytest.mark.parametrize("change, message", [
    (no_objects, "its 2 pictures hold no object"), (crowds, "all 2 objects of its 2 pictures are crowds.*iscrowd 0"),
    (boxes_only, "its 2 pictures hold no object; left out: 2 x no mask"),
])  # fmt: skip
def test_nothing_to_train_on_is_an_error_that_says_why(coco, config, change, message):
    dataset = load_coco(*coco(change), strict=False)
    assert len(dataset) == 2  # it may be tested on
    for call in (dataset.check_trainable, lambda: batches(dataset, config, 1)):
        with pytest.raises(DataError, match=rf"instances\.json: nothing to train on: {message}") as caught:
            call()
        assert caught.value.reason == "nothing to train on"
    assert len(list(batches(dataset, config, 1, training=False))) == 2


def made(amounts, crowd=False):
    def read(index):
        count = amounts[index]
        masks = np.zeros((count, 32, 32), bool)
        masks[np.arange(count), np.arange(count) % 32] = True
        return Sample.of(np.zeros((32, 32, 3), np.uint8), masks, np.ones(count, int), np.full(count, crowd))

    return Dataset("made", ("thing",), len(amounts), read)


def test_a_source_that_does_not_know_is_read_until_an_object_is_found():
    made([0, 0, 1]).check_trainable()
    with pytest.raises(DataError, match="3 pictures hold no object"):
        made([0, 0, 0]).check_trainable()
    with pytest.raises(DataError, match="all 3 objects"):
        made([1, 2], crowd=True).check_trainable()


def said(dataset, config, training=True):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = batches(dataset, config, 1, training=training)
        list(data), list(data)
    return [str(one.message) for one in caught if issubclass(one.category, DataWarning)]


def test_more_objects_than_are_trained_on_are_said_once(config):
    dataset = made([3, 30, 21])
    (line,) = said(dataset, config)
    assert "max_instances=20" in line
    entries = [dataset[i].entry for i in range(3)]
    known = Dataset("made", ("thing",), 3, lambda i: dataset[i], entries=entries)
    (line,) = said(known, config)
    assert line == known.surplus(20)
    assert "2 of its 3 pictures hold more objects than max_instances=20 (up to 30)" in line
    config.max_instances = 30
    assert not said(known, config) and not said(dataset, config) and known.surplus(30) is None
    config.max_instances = 20
    assert not said(known, config, training=False)
