import numpy as np
import pytest

import maskrcnn
from maskrcnn.box_overlap import pairwise_iou
from maskrcnn.data.survey import Overview, suggest
from maskrcnn.data.survey.suggestions import STRIDES, best_overlap
from maskrcnn.proposals.anchors import pyramid_anchors


def found(boxes, size=(600, 800), pictures=None):
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    pictures = np.zeros(len(boxes), int) if pictures is None else pictures
    count = int(pictures.max(initial=0)) + 1
    return Overview(
        tuple(map(str, range(count))), np.array([size] * count), np.bincount(pictures, minlength=count), boxes,
        np.ones(len(boxes), int), pictures, 0, (b"",) * count, ("dot",), {},
    )  # fmt: skip


def squares(side, count=50, seed=0, size=(600, 800)):
    low = np.random.default_rng(seed).uniform(0, (size[1] - side, size[0] - side), (count, 2))
    return np.concatenate([low, low + side], axis=1)


@pytest.mark.parametrize("first", [8, 12])
def test_the_best_anchor_is_the_one_of_all(first):
    rng = np.random.default_rng(first)
    low = rng.uniform(0, 200, (200, 2))
    boxes = np.concatenate([low, low + rng.uniform(4, 56, (200, 2))], axis=1)
    sizes = [first * 2**level for level in range(5)]
    grids = [(256 // stride,) * 2 for stride in STRIDES]
    anchors = np.concatenate([level.numpy() for level in pyramid_anchors(grids, (256, 256), sizes, (0.5, 1.0, 2.0))])
    np.testing.assert_allclose(
        best_overlap(boxes, sizes, (0.5, 1.0, 2.0)), pairwise_iou(boxes, anchors).max(axis=1), atol=1e-5
    )


def test_pictures_are_as_large_as_small_objects_need_and_no_larger_than_they_are():
    assert suggest(found(squares(60))).fields["max_size"] == 320  # 60 px of 800: 24 px of 320
    assert suggest(found(squares(20))).fields["max_size"] == 832  # 960 would be needed, the pictures have 800
    assert suggest(found(squares(300))).fields["max_size"] == 256
    assert suggest(found(squares(60))).fields["min_size"] == 256  # three quarters of it, to a multiple of 64


def test_anchors_have_the_objects_sizes():
    chosen = suggest(found(squares(100)))
    resized = 100 * chosen.fields["max_size"] / 800
    assert min(abs(np.log2(size / resized)) for size in chosen.fields["anchor_sizes"]) < 0.3
    assert chosen.reached == 1.0 and chosen.small == 0.0
    assert chosen.fields["anchor_ratios"] == (0.5, 1.0, 2.0)
    assert chosen.fields["roi_canonical_size"] == round(1.75 * chosen.fields["anchor_sizes"][2])


def test_flat_objects_get_flat_anchors():
    low = np.random.default_rng(0).uniform(0, 300, (60, 2))
    boxes = np.concatenate([low, low + [480, 60]], axis=1)
    chosen = suggest(found(boxes))
    assert 0.25 in chosen.fields["anchor_ratios"] and chosen.reached > chosen.before + 0.3


def test_the_most_objects_of_a_picture_count_also_of_those_to_measure():
    many = found(np.tile(squares(60, 1), (375, 1)))
    assert suggest(many).fields["max_instances"] == 375
    assert suggest(found(squares(60)), many).fields["detections_per_image"] == 375
    assert suggest(found(squares(60))).fields["max_instances"] == 100


def test_fields_make_a_config_and_nothing_at_all_is_an_error():
    maskrcnn.MaskRCNNConfig(class_names=("dot",), **suggest(found(squares(60))).fields)
    with pytest.raises(ValueError, match="no object"):
        suggest(found([]))
