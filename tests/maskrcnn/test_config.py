import dataclasses
import json

import numpy as np
import pytest

from maskrcnn import MaskRCNNConfig
from maskrcnn.config import ACCEPTED


def test_round_trip_through_json():
    config = MaskRCNNConfig(class_names=("a", "b"), box_head_widths=(8, 16), anchor_sizes=(4, 8, 16, 32, 64))
    assert MaskRCNNConfig(**json.loads(json.dumps(config.get_config()))) == config


def test_class_names_leave_room_for_the_background():
    assert MaskRCNNConfig(class_names=("a", "b")).num_classes == 3


def test_normalisation_follows_the_backbone():
    assert MaskRCNNConfig(class_names=("a",), backbone="mobilenet").pixel_std == (0.5, 0.5, 0.5)
    assert MaskRCNNConfig(class_names=("a",)).pixel_mean == (0.485, 0.456, 0.406)
    assert MaskRCNNConfig(class_names=("a",), pixel_mean=(0, 0, 0)).pixel_mean == (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "resnet34"}, "resnet34.*resnet18"),
        ({"class_names": ()}, "class_names"),
        ({"class_names": "balloon"}, "class_names"),
        ({"class_names": ("a", "a")}, "twice"),
        ({"anchor_sizes": (1, 2)}, "anchor_sizes.*five"),
        ({"size_divisor": 48}, "size_divisor=48"),
        ({"min_size": 900, "max_size": 800}, "min_size=900"),
        ({"fpn_width": 0}, "fpn_width=0"),
        ({"rpn_nms_iou": 7}, "^rpn_nms_iou=7: expected a number at least 0 and at most 1$"),
        ({"rpn_nms_iou": float("nan")}, "rpn_nms_iou=nan"),
        ({"detection_min_score": "0.5"}, "detection_min_score='0.5': expected a number"),
        ({"min_size": 64.5}, "min_size=64.5: expected a whole number at least 1"),
        ({"roi_samples": True}, "roi_samples=True"),
        ({"roi_aligned": 1}, "roi_aligned=1: expected True or False"),
        ({"box_delta_std": (0.1, 0.1, 0.2)}, "box_delta_std=.*tuple of four numbers, each above 0"),
        ({"pixel_std": (1, 1, 0)}, "pixel_std.*three"),
        ({"anchor_ratios": ()}, "anchor_ratios.*one or more"),
        ({"mask_head_widths": (8, 0)}, r"mask_head_widths=\(8, 0\).*any number of whole numbers, each at least 1"),
        ({"mask_head_widths": 8}, "mask_head_widths=8: expected a tuple"),
        ({"rpn_negative_iou": 0.8}, "rpn_negative_iou=0.8 is above rpn_positive_iou=0.7"),
        ({"class_names": (1, 2)}, "class_names"),
        ({"backbone_weights": 3}, "backbone_weights=3"),
    ],
)
def test_an_impossible_field_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        MaskRCNNConfig(**({"class_names": ("a",)} | changes))


@pytest.mark.parametrize(
    ("said", "weights", "trains"),
    [(None, None, True), (None, "x.h5", False), (True, "x.h5", True), (False, None, False)],
)
def test_batch_norm_trains_if_nothing_is_loaded(said, weights, trains):
    config = MaskRCNNConfig(class_names=("a",), train_batch_norm=said, backbone_weights=weights)
    assert config.batch_norm_trains == trains
    assert MaskRCNNConfig(**config.get_config()).train_batch_norm is said


def test_torchvision_preset_takes_changes():
    config = MaskRCNNConfig.torchvision(["a"], min_size=100, max_size=200, fpn_width=32)
    assert (config.min_size, config.anchor_rounding, config.roi_aligned, config.fpn_width) == (100, True, False, 32)


def test_every_field_has_its_range():
    names = {"class_names", "backbone", "backbone_weights"}
    assert set(ACCEPTED) == {field.name for field in dataclasses.fields(MaskRCNNConfig)} - names


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_what_no_field_takes_is_refused_by_its_name(name):
    for wrong in (float("inf"), "1", -7 if name not in ("seed",) else 0.5, (), {}):
        if wrong == () and ACCEPTED[name].length == "any":
            continue
        with pytest.raises(ValueError, match=f"^{name}="):
            MaskRCNNConfig(class_names=("a",), **{name: wrong})


def test_numpys_numbers_become_pythons():
    config = MaskRCNNConfig(class_names=("a",), min_size=np.int64(64), anchor_ratios=np.float32([1, 2]).tolist())
    assert type(config.min_size) is int
    assert MaskRCNNConfig(**json.loads(json.dumps(config.get_config()))) == config
