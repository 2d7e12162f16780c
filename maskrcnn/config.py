"""Every choice that defines a Mask R-CNN, in one frozen record."""

from __future__ import annotations

import dataclasses
import numbers
import warnings
from typing import Any

from maskrcnn.config_ranges import ACCEPTED

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
MATTERPORT_MEAN = (123.7, 116.8, 103.9)  # of RGB in 0 to 255
BACKBONES = ("resnet10", "resnet18", "resnet50", "resnet101", "mobilenet", "mobilenet_v2")


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
    stem_pool_same: bool = False  # the stem's pooling is padded at the bottom and the right alone, Keras's "same"
    batch_norm_epsilon: float = 1e-5  # of the ResNets; a MobileNet keeps its own
    train_batch_norm: bool | None = None  # False: all of it stays as it is; None: trains where no weights were loaded
    frozen_stages: int = 0  # stages that do not train: 1 the stem, 2 also the stage at stride 4, ...

    # Picture
    min_size: int = 800  # the shorter side after the resize, unless the longer one would pass
    max_size: int = 1333
    size_divisor: int = 32  # padded at the bottom and the right to a multiple of this
    square_fit: bool = False  # in the middle of a square of max_size, and never made smaller but to fit into it
    black_padding: bool = False  # padding is black, and proposals may reach into it; else zero behind the normalisation
    pixel_mean: tuple[float, ...] | None = None  # of RGB in [0, 1]; None: what the backbone was trained with
    pixel_std: tuple[float, ...] | None = None
    max_instances: int = 100  # most objects of one training picture

    # Widths
    fpn_width: int = 256
    rpn_width: int = 256
    box_head_widths: tuple[int, ...] = (1024, 1024)
    mask_head_widths: tuple[int, ...] = (256, 256, 256, 256)
    mask_deconv_width: int = 256
    head_norm: bool = False  # batch norm behind the layers of the box head and the mask head

    # Anchors: one size a level, P2 to P6; ratio = height / width
    anchor_sizes: tuple[float, ...] = (32, 64, 128, 256, 512)
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    anchor_rounding: bool = False  # corners rounded to whole pixels, as torchvision does
    box_last_pixel: bool = False  # the network's boxes end at their last pixel, not behind it

    # Region proposals
    rpn_positive_iou: float = 0.7
    rpn_negative_iou: float = 0.3
    rpn_samples: int = 256
    rpn_positive_fraction: float = 0.5
    rpn_nms_iou: float = 0.7
    rpn_min_side: float = 1e-3
    rpn_delta_std: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    rpn_levels_together: bool = False  # one choice by score and one suppression for all levels, not one for each
    pre_nms_train: int = 2000  # kept by score on each level before suppression
    pre_nms_test: int = 1000
    post_nms_train: int = 2000  # kept over all levels after it
    post_nms_test: int = 1000

    # Regions of interest
    roi_canonical_size: float = 224.0  # side of the region that is read from P4
    roi_sampling_ratio: int = 2  # samples a bin, along each axis
    roi_aligned: bool = True  # half-pixel shift of RoIAlign
    roi_corners: bool = False  # samples run from corner to corner of a region, as crop-and-resize has them
    roi_level_nearest: bool = False  # of a region's size; else the level below
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
    one_class_per_region: bool = False  # a region is of its likeliest class alone, or background
    flat_box_ends_class: bool = False  # a box cut to a line suppresses all below it in its class (TensorFlow 1.15)
    mask_to_box: bool = False  # a mask fills its box, rounded to whole pixels; else with half a cell beyond it

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
        if self.square_fit and self.max_size % self.size_divisor:
            raise ValueError(f"max_size={self.max_size}: with square_fit a multiple of {self.size_divisor} is needed")
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

    @classmethod
    def matterport(cls, class_names, min_size: int = 800, max_size: int = 1024, **changes) -> MaskRCNNConfig:
        """The numerics of Matterport's Mask R-CNN (ResNet-101, or `backbone="resnet50"`), weight for weight.

        Its defaults are that code's: a model that was trained with others needs them here as well. Boxes are bounded
        as everywhere here, to 62 times a region's side; that code has no bound. For `mask_rcnn_coco.h5` the classes
        are `maskrcnn.weights.MATTERPORT_CLASS_NAMES`.
        """
        numerics: dict[str, Any] = dict(
            backbone="resnet101",
            stride_in_1x1=True,
            conv_bias=True,
            stem_pool_same=True,
            batch_norm_epsilon=1e-3,
            size_divisor=64,
            square_fit=True,
            black_padding=True,
            pixel_mean=tuple(mean / 255 for mean in MATTERPORT_MEAN),
            pixel_std=(1 / 255,) * 3,
            rpn_width=512,
            head_norm=True,
            anchor_ratios=(2.0, 1.0, 0.5),
            box_last_pixel=True,
            rpn_min_side=0.0,
            rpn_delta_std=(0.1, 0.1, 0.2, 0.2),
            rpn_levels_together=True,
            pre_nms_train=6000,
            pre_nms_test=6000,
            roi_sampling_ratio=1,
            roi_corners=True,
            roi_level_nearest=True,
            roi_samples=200,
            roi_positive_fraction=0.33,
            mask_target_sampling_ratio=1,
            huber_delta=1.0,
            detection_min_score=0.7,
            detection_nms_iou=0.3,
            one_class_per_region=True,
            flat_box_ends_class=True,
            mask_to_box=True,
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
