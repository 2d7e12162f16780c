"""Pictures are read while the model works: in order, not too far, and with their errors."""

import threading
import time

import pytest

from maskrcnn.data import DataError, Dataset
from maskrcnn.evaluation import evaluate


def watched(dataset, read, broken=None):
    """The dataset, noting (index, thread) of each picture that is read; picture `broken` cannot be."""

    def note(index):
        read.append((index, threading.get_ident()))
        if index == broken:
            raise DataError(f"{index}.png cannot be read.")
        return dataset[index]

    return Dataset("watched", dataset.class_names, len(dataset), note)


def test_the_next_batch_is_read_while_the_model_works_and_no_more(made):
    dataset, read = made.dataset(12), []
    model = made.model(dataset)
    honest, seen = model.measure, []

    def slow(images, boxes, mask_boxes):
        until = time.monotonic() + 5
        while len(read) < min(12, 2 * (len(seen) + 2)) and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(0.02)  # for a batch too many to show itself
        seen.append(len(read))
        return honest(images, boxes, mask_boxes)

    model.measure = slow
    evaluate(model, watched(dataset, read), batch_size=2, progress=False)
    assert [index for index, _ in read] == list(range(12))
    assert seen == [4, 6, 8, 10, 12, 12]
    assert len({thread for _, thread in read}) == 1 and read[0][1] != threading.get_ident()


def test_a_limit_reads_no_more(made):
    dataset, read = made.dataset(12), []
    evaluate(made.model(dataset), watched(dataset, read), batch_size=2, limit=5, progress=False)
    assert [index for index, _ in read] == list(range(5))


def test_a_broken_picture_is_raised_in_its_turn(made):
    dataset, read, asked = made.dataset(12), [], []
    model = made.model(dataset)
    honest = model.measure
    model.measure = lambda images, *boxes: asked.append(len(images)) or honest(images, *boxes)
    before = threading.active_count()
    with pytest.raises(DataError, match=r"^5\.png cannot be read\.$"):
        evaluate(model, watched(dataset, read, broken=5), batch_size=2, progress=False)
    assert asked == [2, 2] and len(read) <= 8 and threading.active_count() == before


def test_a_model_that_fails_stops_the_reading(made):
    dataset, read = made.dataset(12), []
    model = made.model(dataset)

    def fails(*_):
        raise RuntimeError("out of memory")

    model.measure = fails
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="out of memory"):
        evaluate(model, watched(dataset, read), batch_size=2, progress=False)
    assert len(read) <= 4 and threading.active_count() == before
