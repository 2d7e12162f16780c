"""A model's weights as a file that torchvision's `maskrcnn_resnet50_fpn` takes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn.config import MaskRCNNConfig
from maskrcnn.network import build_network, leaf_layers
from maskrcnn.weights.assignment import places_of
from maskrcnn.weights.report import WeightReport
from maskrcnn.weights.torchvision import key_of

# Fields that say nothing about what trained weights answer.
_OF_TRAINING = {
    "class_names", "backbone", "backbone_weights", "train_batch_norm", "frozen_stages", "max_instances", "seed",
    "rpn_positive_iou", "rpn_negative_iou", "rpn_samples", "rpn_positive_fraction", "pre_nms_train", "post_nms_train",
    "roi_samples", "roi_positive_fraction", "roi_positive_iou", "mask_target_sampling_ratio", "mask_target_binary",
    "huber_delta",
}  # fmt: skip


def save_torchvision(model: Any, path: str | Path) -> WeightReport:
    """Write a dense or masked model's weights as a state dict of torchvision's Mask R-CNN: `load_torchvision` back.

    ```python
    state = safetensors.torch.load_file("mine.safetensors")              # in the other stack
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=7)
    model.load_state_dict(state)
    ```

    Args:
        model: a MaskRCNN with a ResNet, without biases in it and without batch norm in the heads. A ResNet-50 of the
            default widths fits torchvision's own function; others fit a network that is put together of its parts.
        path: .safetensors, or .pth, for which torch has to be installed. An existing file is replaced.

    Returns:
        A WeightReport: `matched` are the keys written (`num_batches_tracked`, which torch makes up, is not), `notes`
        the fields of the config by which the model's answers differ from those of torchvision's defaults.

    Raises:
        ValueError: channels or layers were removed from the model, it has a layer that torchvision's has not, the
            ending is another, or a package is missing. No file is written then.
    """
    path = Path(path)
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise ValueError(f"{path}: expected .safetensors, .pth or .pt")
    state = state_of(model)
    _write(state, path)
    return WeightReport(tuple(state), (), (), notes=_notes(model.config))


def state_of(model: Any) -> dict[str, np.ndarray]:
    """A model's weights by torchvision's names, in torch's layout; raises a ValueError as `save_torchvision` does."""
    places = places_of(model)
    keys = {place: key_of(*place) for place in places}
    if foreign := [place for place, key in keys.items() if key is None]:
        raise ValueError(
            f"{'/'.join(foreign[0])} has no place in torchvision's maskrcnn_resnet50_fpn ({len(foreign)} weights like "
            "this): its ResNet has no biases, its heads no batch norm, and other backbones have other names"
        )
    _refuse_smaller(places, model.config)
    size = model.config.box_roi_size
    return {key: _moved(place, places[place], size) for place, key in keys.items() if key is not None}


def _refuse_smaller(places, config) -> None:
    """Raises a ValueError if the network is another than its config's: torch's classes make whole layers only."""
    whole = {
        (layer.name, variable.name): tuple(variable.shape)
        for layer in leaf_layers(build_network(config))
        for variable in layer.variables
    }
    for place, shape in whole.items():
        found = tuple(places[place].shape) if place in places else None
        if found != shape:
            raise ValueError(
                f"{'/'.join(place)} has the shape {found}, and {shape} before it was pruned: torchvision's network has "
                "layers of whole width. Save the masked model, of which pruning.remove made this one"
            )
    if more := [place for place in places if place not in whole]:
        raise ValueError(f"{'/'.join(more[0])} is of a network of your own; torchvision's has no such layer")


def _moved(place, variable, size: int) -> np.ndarray:
    """The variable in torch's layout."""
    value = np.asarray(variable, "float32")
    if value.ndim == 4:
        value = value.transpose(3, 2, 0, 1)
    elif value.ndim == 2:
        if place[0] == "box_fc1":  # torch flattens (C, s, s), this network (s, s, C)
            value = value.reshape(size, size, -1, value.shape[1]).transpose(2, 0, 1, 3).reshape(value.shape)
        value = value.T
    return np.ascontiguousarray(value)


def _notes(config) -> tuple[str, ...]:
    usual = MaskRCNNConfig.torchvision(config.class_names, backbone=config.backbone)
    rows = ((f.name, getattr(config, f.name), getattr(usual, f.name)) for f in dataclasses.fields(config))
    return tuple(
        f"{name}={value!r}: torchvision has {other!r}"
        for name, value, other in rows
        if name not in _OF_TRAINING and value != other
    )


def _write(state, path: Path) -> None:
    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import save_file

            save_file(state, path)
        else:
            import torch

            torch.save({key: torch.from_numpy(value) for key, value in state.items()}, path)
    except ImportError as problem:
        raise ValueError(f"{path}: writing it needs the package {problem.name}; install it, e.g. with pip") from problem
