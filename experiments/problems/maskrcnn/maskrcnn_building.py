"""Networks made from a configuration, or from a network for pictures of another size."""

from __future__ import annotations

import dataclasses
from typing import Any

import maskrcnn
from experiments.errors import UserError


def built(config: maskrcnn.MaskRCNNConfig) -> maskrcnn.MaskRCNN:
    """A new network.

    Raises:
        UserError: weights of the backbone that do not fit, or that cannot be had.
    """
    try:
        return maskrcnn.MaskRCNN(config, name="mask_rcnn")  # the same name where it is not the process's first
    except (ValueError, OSError) as error:
        if config.backbone_weights is None:
            raise
        raise UserError(
            f"the weights {config.backbone_weights} do not fit backbone {config.backbone!r} with "
            f"backbone_alpha {config.backbone_alpha}: {error}"
        ) from None
    except Exception as error:  # what Keras raises where a download fails, of no narrower type
        if config.backbone_weights != "imagenet" or "URL fetch failure" not in str(error):
            raise
        raise UserError(
            f"the ImageNet weights cannot be downloaded ({error}). Go on with a network, or give their file, "
            "--model.backbone_weights my.h5, or begin from nothing, --model.backbone_weights None"
        ) from None


def at_input_size(model: Any, size: int) -> maskrcnn.MaskRCNN:
    """The same network for smaller pictures: its weights are shared.

    Args:
        model: a MaskRCNN.
        size: the pictures' shorter side, px; the longest one shrinks as much.

    Raises:
        UserError: a size that is not smaller, or that the network cannot have.
    """
    before = model.config
    if size >= before.min_size:
        raise UserError(
            f"smaller_inputs: {size}: the network's own pictures have a shorter side of {before.min_size} px "
            "(model.min_size); give smaller ones"
        )
    longer = max(size, round(before.max_size * size / before.min_size))
    try:
        config = dataclasses.replace(before, min_size=size, max_size=longer)
    except ValueError as error:
        raise UserError(f"smaller_inputs: {size}: {error}") from None
    return maskrcnn.MaskRCNN(config, network=model.network, name=model.name)
