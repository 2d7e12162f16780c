from types import SimpleNamespace

import numpy as np

from experiments.problems.maskrcnn.maskrcnn_pictures import Pictures


class Labelled(Pictures):
    """Pictures of which the labels alone are known."""

    def __init__(self, *labels):
        self.samples = [SimpleNamespace(number=number, labels=np.array(of)) for number, of in enumerate(labels)]

    def __getitem__(self, split):
        return self.samples


def shown(count, *labels):
    return [sample.number for sample in Labelled(*labels).busiest("test", count)]


def test_many_classes_are_shown_before_many_objects_and_crowds_last():
    crowd = [1, 2, 3, 4] * 10
    labels = [1, 1, 1, 1], crowd, [1, 2], [1, 2, 2], []
    assert shown(1, *labels) == [3]
    assert shown(2, *labels) == [2, 3]  # in their own order
    assert shown(4, *labels) == [0, 2, 3, 4]
    assert shown(5, *labels) == [0, 1, 2, 3, 4]


def test_of_two_alike_the_earlier_and_only_of_the_first_fifty():
    assert shown(1, [1], [2], [3]) == [0]
    assert shown(1, *([[1]] * 50), [1, 2, 3]) == [0]
