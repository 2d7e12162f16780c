"""Every choice that defines a Mask R-CNN, in one frozen record."""

from __future__ import annotations

import dataclasses
import math
import numbers
import warnings
from typing import Any

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
BACKBONES = ("resnet18", "resnet50", "resnet101", "mobilenet", "mobilenet_v2")


@dataclasses.dataclass(frozen=True)
class Accepted:
    """What a field takes: a number of a kind between two ends, or a tuple of so many of them.

    Attributes:
        kind: bool, int or float; a float's field takes whole numbers too.
        least, most: the ends, which are accepted themselves; with `above`, `least` is not.
        length: how many numbers a tuple has, "any" for any number, "some" for one or more; None: no tuple, one number.
        or_none: None is accepted as well.
    """

    kind: type
    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    length: int | str | None = None
    or_none: bool = False

    def __str__(self) -> str:
        if self.kind is bool:
            return "True or False" + ", or None" * self.or_none
        ends = f"{'above' if self.above else 'at least'} {self.least:g}" * math.isfinite(self.least)
        ends += f"{' and ' * bool(ends)}at most {self.most:g}" * math.isfinite(self.most)
        noun = "whole number" if self.kind is int else "number"
        if self.length is None:
            words = f"a {noun}"
        else:
            many = {3: "three", 4: "four", 5: "five", "some": "one or more"}.get(self.length, "any number of")
            words = f"a tuple of {many} {noun}s" + ", each" * bool(ends)
        return f"{words} {ends}".rstrip() + ", or None" * self.or_none

    def takes(self, value: Any) -> bool:
        """Whether a value is accepted."""
        if value is None:
            return self.or_none
        if self.length is None:
            return self._takes_one(value)
        if not isinstance(value, tuple) or not all(map(self._takes_one, value)):
            return False
        return self.length == "any" or (len(value) > 0 if self.length == "some" else len(value) == self.length)

    def _takes_one(self, value: Any) -> bool:
        if self.kind is bool or isinstance(value, bool):
            return self.kind is bool and isinstance(value, bool)
        if not isinstance(value, numbers.Integral if self.kind is int else numbers.Real) or not math.isfinite(value):
            return False
        number = float(value)
        return (self.least < number if self.above else self.least <= number) and number <= self.most


_FLAG, _COUNT, _WHOLE = Accepted(bool), Accepted(int, 1), Accepted(int, 0)
_SHARE, _POSITIVE = Accepted(float, 0, 1), Accepted(float, 0, above=True)
_WIDTHS = Accepted(int, 1, length="any")

# Every field that is no name.
ACCEPTED = {
    "backbone_alpha": _POSITIVE,
    "stride_in_1x1": _FLAG,
    "conv_bias": _FLAG,
    "batch_norm_epsilon": Accepted(float, 0),
    "train_batch_norm": Accepted(bool, or_none=True),
    "frozen_stages": Accepted(int, 0, 5),
    "min_size": _COUNT,
    "max_size": _COUNT,
    "size_divisor": _COUNT,
    "pixel_mean": Accepted(float, length=3),
    "pixel_std": Accepted(float, 0, above=True, length=3),
    "max_instances": _COUNT,
    "fpn_width": _COUNT,
    "rpn_width": _COUNT,
    "box_head_widths": _WIDTHS,
    "mask_head_widths": _WIDTHS,
    "mask_deconv_width": _COUNT,
    "anchor_sizes": Accepted(float, 0, above=True, length=5),
    "anchor_ratios": Accepted(float, 0, above=True, length="some"),
    "anchor_rounding": _FLAG,
    "rpn_positive_iou": _SHARE,
    "rpn_negative_iou": _SHARE,
    "rpn_samples": _COUNT,
    "rpn_positive_fraction": _SHARE,
    "rpn_nms_iou": _SHARE,
    "rpn_min_side": Accepted(float, 0),
    "pre_nms_train": _COUNT,
    "pre_nms_test": _COUNT,
    "post_nms_train": _COUNT,
    "post_nms_test": _COUNT,
    "roi_canonical_size": _POSITIVE,
    "roi_sampling_ratio": _COUNT,
    "roi_aligned": _FLAG,
    "box_roi_size": _COUNT,
    "mask_roi_size": _COUNT,
    "roi_samples": _COUNT,
    "roi_positive_fraction": _SHARE,
    "roi_positive_iou": _SHARE,
    "box_delta_std": Accepted(float, 0, above=True, length=4),
    "mask_target_sampling_ratio": _WHOLE,
    "mask_target_binary": _FLAG,
    "huber_delta": _POSITIVE,
    "detection_min_score": _SHARE,
    "detection_nms_iou": _SHARE,
    "detections_per_image": _COUNT,
    "seed": Accepted(int),
}


@dataclasses.dataclass(frozen=True)
class MaskRCNNConfig:
    """What a Mask R-CNN is made of; defaults follow the paper and its FPN follow-ups.

    Lengths are in pixels of the resized picture, boxes are xyxy. The class with index 0 is the
    background and is not named: `class_names[i]` has the label `i + 1`.

    Raises:
        ValueError: for a field that cannot be, naming the field, its value and what is accepted.
    """

    class_names: tuple[str, ...]

    # Backbone: a name of BACKBONES; `backbone_alpha` multiplies every width of it.
    backbone: str = "resnet50"
    backbone_alpha: float = 1.0
    backbone_weights: str | None = None  # None (from nothing), "imagenet", or a path to a weights file
    stride_in_1x1: bool = False  # ResNet V1 (True) strides the 1x1 of a bottleneck, V1.5 the 3x3
    conv_bias: bool = False  # ResNet convolutions with a bias
    batch_norm_epsilon: float = 1e-5  # of the ResNets; a MobileNet keeps its own
    train_batch_norm: bool | None = None  # False: all of it stays as it is; None: trains where no weights were loaded
    frozen_stages: int = 0  # stages that do not train: 1 the stem, 2 also the stage at stride 4, ...

    # Picture
    min_size: int = 800  # the shorter side after the resize, unless the longer one would pass
    max_size: int = 1333
    size_divisor: int = 32  # padded at the bottom and the right to a multiple of this
    pixel_mean: tuple[float, ...] | None = None  # of RGB in [0, 1]; None: what the backbone was trained with
    pixel_std: tuple[float, ...] | None = None
    max_instances: int = 100  # most objects of one training picture

    # Widths
    fpn_width: int = 256
    rpn_width: int = 256
    box_head_widths: tuple[int, ...] = (1024, 1024)
    mask_head_widths: tuple[int, ...] = (256, 256, 256, 256)
    mask_deconv_width: int = 256

    # Anchors: one size a level, P2 to P6; ratio = height / width
    anchor_sizes: tuple[float, ...] = (32, 64, 128, 256, 512)
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    anchor_rounding: bool = False  # corners rounded to whole pixels, as torchvision does

    # Region proposals
    rpn_positive_iou: float = 0.7
    rpn_negative_iou: float = 0.3
    rpn_samples: int = 256
    rpn_positive_fraction: float = 0.5
    rpn_nms_iou: float = 0.7
    rpn_min_side: float = 1e-3
    pre_nms_train: int = 2000  # kept by score on each level before suppression
    pre_nms_test: int = 1000
    post_nms_train: int = 2000  # kept over all levels after it
    post_nms_test: int = 1000

    # Regions of interest
    roi_canonical_size: float = 224.0  # side of the region that is read from P4
    roi_sampling_ratio: int = 2  # samples a bin, along each axis
    roi_aligned: bool = True  # half-pixel shift of RoIAlign
    box_roi_size: int = 7
    mask_roi_size: int = 14
    roi_samples: int = 512
    roi_positive_fraction: float = 0.25
    roi_positive_iou: float = 0.5
    box_delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)
    mask_target_sampling_ratio: int = 2  # 0: adaptive, ceil(side / bins) samples a bin
    mask_target_binary: bool = True  # targets rounded to 0 and 1

    # Losses
    huber_delta: float = 1.0 / 9.0  # of both box losses: smooth L1 with this beta

    # Detection
    detection_min_score: float = 0.05
    detection_nms_iou: float = 0.5
    detections_per_image: int = 100

    seed: int = 0  # of the samplers

    # Of configs written before November 2026; it is an argument of the call and of the export now, and not kept here.
    static_shapes: dataclasses.InitVar[bool] = False

    def __post_init__(self, static_shapes):
        if static_shapes:
            warnings.warn(
                "static_shapes=True is no longer part of the config and is not kept: model(inputs, static_shapes=True) "
                "and model.export(path) fix shapes",
                stacklevel=3,
            )
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _plain(getattr(self, field.name)))
        self._check_names()
        mean, std = (HALF, HALF) if self.backbone.startswith("mobilenet") else (IMAGENET_MEAN, IMAGENET_STD)
        if self.pixel_mean is None:
            object.__setattr__(self, "pixel_mean", mean)
        if self.pixel_std is None:
            object.__setattr__(self, "pixel_std", std)
        for name, accepted in ACCEPTED.items():
            if not accepted.takes(value := getattr(self, name)):
                raise ValueError(f"{name}={value!r}: expected {accepted}")
        if self.size_divisor % 32:
            raise ValueError(f"size_divisor={self.size_divisor}: a multiple of 32 is needed, the stride of P5")
        for low, high in (("min_size", "max_size"), ("rpn_negative_iou", "rpn_positive_iou")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low}={getattr(self, low)} is above {high}={getattr(self, high)}")

    def _check_names(self) -> None:
        names, weights = self.class_names, self.backbone_weights
        if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError(f"class_names={names!r}: a non-empty tuple of names is needed")
        if len(set(names)) != len(names):
            raise ValueError(f"class_names={names!r} names a class twice")
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone={self.backbone!r} is not known: one of {', '.join(BACKBONES)}")
        if weights is not None and not (isinstance(weights, str) and weights):
            raise ValueError(f"backbone_weights={weights!r}: expected None, 'imagenet' or the path of a weights file")
        if self.backbone.startswith("resnet") and weights == "imagenet":
            raise ValueError(
                f"backbone_weights='imagenet' is not at hand for {self.backbone}: give a path to a weights file of "
                "this network, load a whole checkpoint with maskrcnn.weights, or take a mobilenet"
            )

    @classmethod
    def torchvision(cls, class_names, min_size: int = 800, max_size: int = 1333, **changes) -> MaskRCNNConfig:
        """The numerics of torchvision's `maskrcnn_resnet50_fpn` (v1), weight for weight.

        A published COCO_V1 checkpoint also needs `batch_norm_epsilon=0.0`.
        """
        numerics: dict[str, Any] = dict(
            backbone="resnet50",
            anchor_rounding=True,
            roi_aligned=False,
            mask_target_sampling_ratio=0,
            mask_target_binary=False,
        )
        return cls(class_names=tuple(class_names), min_size=min_size, max_size=max_size, **(numerics | changes))

    def get_config(self) -> dict[str, Any]:
        """A plain dictionary; `MaskRCNNConfig(**config.get_config())` is the same config."""
        return dataclasses.asdict(self)

    @property
    def batch_norm_trains(self) -> bool:
        """Whether the backbone's batch norm trains when the network is built: `train_batch_norm`, None decided."""
        return batch_norm_trains(self.train_batch_norm, self.backbone_weights)

    @property
    def num_classes(self) -> int:
        """Classes with the background."""
        return len(self.class_names) + 1


def batch_norm_trains(train_batch_norm: bool | None, backbone_weights: str | None) -> bool:
    """What `train_batch_norm` says, and if it says nothing: whether the backbone begins from nothing.

    Frozen statistics of weights that were never trained normalise nothing, and training diverges.
    """
    return backbone_weights is None if train_batch_norm is None else train_batch_norm


def _plain(value: Any) -> Any:
    """A value in Python's own types: tuples for lists, which JSON has instead, and numbers for NumPy's."""
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return value.item() if isinstance(value, numbers.Number) and hasattr(value, "item") else value
