"""The backbone that a config names."""

from __future__ import annotations

from pathlib import Path

from maskrcnn.network.backbones.mobilenet import mobilenet
from maskrcnn.network.backbones.resnet import resnet


def named_backbone(image, config):
    """Build `config.backbone` on the symbolic picture `image`.

    Args:
        image: a keras.Input of shape (H, W, 3), normalised with the config's mean and deviation.
        config: a MaskRCNNConfig.

    Returns:
        A list of four symbolic maps, at strides 4, 8, 16 and 32.

    Raises:
        ValueError: weights that are no file, or that belong to another network.
    """
    weights = config.backbone_weights
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        raise ValueError(f"backbone_weights={weights!r} is no file: give a path to weights, 'imagenet', or None")
    if config.backbone.startswith("resnet"):
        return resnet(image, config)
    return mobilenet(image, config)


