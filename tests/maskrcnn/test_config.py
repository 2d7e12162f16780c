import json

import pytest

from maskrcnn import MaskRCNNConfig


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
    ],
)
def test_an_impossible_field_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        MaskRCNNConfig(**({"class_names": ("a",)} | changes))


def test_torchvision_preset_takes_changes():
    config = MaskRCNNConfig.torchvision(["a"], min_size=100, max_size=200, fpn_width=32)
    assert (config.min_size, config.anchor_rounding, config.roi_aligned, config.fpn_width) == (100, True, False, 32)
