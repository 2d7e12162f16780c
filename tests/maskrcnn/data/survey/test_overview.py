import numpy as np
import pytest

import maskrcnn
from maskrcnn.data.survey import common_pictures, overview


def sample(name, boxes, labels, crowd=None, size=(40, 60), grey=0):
    masks = np.zeros((len(boxes), *size), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    image = np.full((*size, 3), grey, np.uint8)
    return maskrcnn.data.Sample.of(image, masks, np.array(labels, int), crowd, name=name)


SAMPLES = [
    sample("a", [(5, 5, 15, 15), (20, 10, 36, 14)], [1, 2], grey=1),
    sample("b", [(8, 8, 12, 12), (30, 5, 50, 30)], [1, 1], [False, True], grey=2),
    sample("c", [], [], grey=3),
    sample("again", [(5, 5, 15, 15)], [1], grey=1),
]


def test_counts_leave_crowds_out():
    found = overview(SAMPLES, ("dot", "bar", "none"))
    assert found.classes == {"dot": (3, 3), "bar": (1, 1), "none": (0, 0)}
    assert found.amounts.tolist() == [2, 1, 0, 1] and found.crowds == 1
    assert found.sides.tolist() == [10.0, 8.0, 4.0, 10.0]  # the root of 16 x 4 is 8
    assert found.pictures.tolist() == [0, 0, 1, 3]
    assert found.sizes.tolist() == [[40, 60]] * 4


def test_what_needs_a_look_is_named():
    said = "\n".join(overview(SAMPLES, ("dot", "bar", "none"), {"no area": 3}).problems())
    assert "left out by the reader: 3 x no area" in said
    assert "no object of none" in said
    assert "the same picture 2 times: a, again" in said
    assert "1 of 4 pictures without an object, trained on as background: c" in said
    assert "dot (3), bar (1)" in said
    assert "touch the picture's edge" not in said


def test_objects_at_the_edge_are_pointed_out_where_there_are_many():
    at_edge = [sample(str(i), [(0, 5, 9, 15), (20, 20, 30, 30)], [1, 1], grey=i) for i in range(10)]
    assert any(text.startswith("50% of the objects touch") for text in overview(at_edge, ("dot",)).problems())
    assert not [text for text in overview([SAMPLES[0]] * 1, ("dot", "bar")).problems() if "edge" in text]


def test_pictures_of_two_sets_are_compared_by_their_pixels():
    one = overview(SAMPLES[:2], ("dot", "bar"))
    assert common_pictures(one, overview(SAMPLES[2:], ("dot", "bar"))) == [("a", "again")]
    assert common_pictures(one, overview([SAMPLES[2]], ("dot", "bar"))) == []


@pytest.mark.parametrize("size", [(40, 60), (60, 40)])
def test_equal_bytes_of_another_shape_are_another_picture(size):
    other = sample("turned", [], [], size=size, grey=3)
    assert bool(common_pictures(overview([SAMPLES[2]], ()), overview([other], ()))) == (size == (40, 60))
