"""Models of other packages with random weights and small inputs, each as its package builds it."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

PACKAGES = ("keras-hub", "kimm", "medicai", "kecam")
SIZE = 64  # height and width of the pictures, px
CLASSES = 5

_KIMM = (
    "ConvMixer736D32 ConvNeXtAtto EfficientNetLiteB0 GhostNetW050 GhostNetV2W100 HGNetV2B0 InceptionNeXtTiny LCNet050 "
    "MobileNetV3W050Small MobileOneS0 MobileViTXXS RegNetY002 RepVGGA0 ResNet18 VisionTransformerTiny32"
).split()
_MEDICAI: dict[str, dict] = {
    "ConvNeXtTiny": {},
    "MixViTB0": {},
    "ResNet18": {},
    "SEResNet50": {},
    "AttentionUNet": {"encoder_name": "resnet18"},
    "DeepLabV3Plus": {"encoder_name": "resnet18"},
    "SegFormer": {"encoder_name": "mit_b0"},
    "UNet": {"encoder_name": "resnet18"},
    "UPerNet": {"encoder_name": "resnet18"},
}
_KECAM: dict[str, dict] = {
    "ghostnet.GhostNet_050": {},
    "mobilenetv3_family.MobileNetV3Small050": {},
    "resnest.ResNest50": {},
    "yolov8.YOLOV8_N": {},
}


def models() -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Package, name and what builds the model; nothing is imported before that."""
    for name, build in _KERAS_HUB.items():
        yield "keras-hub", name, build
    for name in _KIMM:
        yield "kimm", name, partial(
            _built, "kimm.models", name, weights=None, classes=CLASSES, input_shape=(SIZE, SIZE, 3),
            include_preprocessing=False, classifier_activation=None,
        )  # fmt: skip
    for name, settings in _MEDICAI.items():
        shape = {"input_shape": (SIZE, SIZE, 3), "num_classes": CLASSES, "classifier_activation": None}
        yield "medicai", name, partial(_built, "medicai.models", name, **shape, **settings)
    for path, settings in _KECAM.items():
        home, name = path.split(".")
        yield "kecam", name, partial(
            _built, f"keras_cv_attention_models.{home}", name, input_shape=(SIZE, SIZE, 3), num_classes=CLASSES,
            pretrained=None, classifier_activation=None, **settings,
        )  # fmt: skip


def _built(module: str, name: str, **settings: Any) -> Any:
    return getattr(import_module(module), name)(**settings)


def _hub() -> Any:
    return import_module("keras_hub").models


def _resnet(block: str = "basic_block", **settings: Any) -> Any:
    return _hub().ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[7], stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[2, 2, 2, 2], stackwise_num_strides=[1, 2, 2, 2], block_type=block,
        image_shape=(SIZE, SIZE, 3), **settings,
    )  # fmt: skip


def _resnet_classifier() -> Any:
    return _hub().ResNetImageClassifier(backbone=_resnet(), num_classes=CLASSES)


def _csp_classifier() -> Any:
    backbone = _hub().CSPNetBackbone(
        stem_filters=32, stem_kernel_size=3, stem_strides=1, stackwise_depth=[1, 2, 4], stackwise_strides=[1, 2, 2],
        stackwise_num_filters=[32, 64, 128], block_type="dark_block", stage_type="dark", image_shape=(SIZE, SIZE, 3),
    )  # fmt: skip
    return _hub().CSPNetImageClassifier(backbone=backbone, num_classes=CLASSES)


def _retinanet() -> Any:
    backbone = _hub().RetinaNetBackbone(
        image_encoder=_resnet("bottleneck_block"), min_level=3, max_level=5, use_p5=False, image_shape=(SIZE, SIZE, 3)
    )
    return _hub().RetinaNetObjectDetector(backbone=backbone, num_classes=CLASSES)


def _deeplab() -> Any:
    backbone = _hub().DeepLabV3Backbone(
        image_encoder=_resnet("bottleneck_block"), spatial_pyramid_pooling_key="P5", low_level_feature_key="P2",
        upsampling_size=8, dilation_rates=[6, 12, 18], image_shape=(SIZE, SIZE, 3),
    )  # fmt: skip
    return _hub().DeepLabV3ImageSegmenter(backbone=backbone, num_classes=CLASSES)


def _vit() -> Any:
    backbone = _hub().ViTBackbone(
        image_shape=(SIZE, SIZE, 3), patch_size=16, num_layers=4, num_heads=3, hidden_dim=96, mlp_dim=192
    )
    return _hub().ViTImageClassifier(backbone=backbone, num_classes=CLASSES)


def _vgg() -> Any:
    backbone = _hub().VGGBackbone(
        stackwise_num_repeats=[1, 1, 2], stackwise_num_filters=[32, 64, 96], image_shape=(SIZE, SIZE, 3)
    )
    return _hub().VGGImageClassifier(backbone=backbone, num_classes=CLASSES)


def _densenet() -> Any:
    backbone = _hub().DenseNetBackbone(stackwise_num_repeats=[3, 4], image_shape=(SIZE, SIZE, 3))
    return _hub().DenseNetImageClassifier(backbone=backbone, num_classes=CLASSES)


_KERAS_HUB: dict[str, Callable[[], Any]] = {
    "ResNetImageClassifier": _resnet_classifier,
    "VGGImageClassifier": _vgg,
    "DenseNetImageClassifier": _densenet,
    "CSPNetImageClassifier": _csp_classifier,
    "ViTImageClassifier": _vit,
    "DeepLabV3ImageSegmenter": _deeplab,
    "RetinaNetObjectDetector": _retinanet,
}
