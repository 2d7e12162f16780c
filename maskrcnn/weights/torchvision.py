"""Weights of torchvision's `maskrcnn_resnet50_fpn`: state-dict names to this network's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from maskrcnn.weights.assignment import Classes, assign, check_classes, shape_hint
from maskrcnn.weights.report import WeightReport

NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
PLAIN = {"weight": "kernel", "bias": "bias"}

# Layers whose name does not follow from a rule.
LAYERS = {
    "backbone.body.conv1": "stem_conv",
    "backbone.body.bn1": "stem_norm",
    "rpn.head.conv.0.0": "rpn_conv",
    "rpn.head.cls_logits": "rpn_class",
    "rpn.head.bbox_pred": "rpn_bbox",
    "roi_heads.box_head.fc6": "box_fc1",
    "roi_heads.box_head.fc7": "box_fc2",
    "roi_heads.box_predictor.cls_score": "mrcnn_class_logits",
    "roi_heads.box_predictor.bbox_pred": "mrcnn_bbox",
    "roi_heads.mask_predictor.conv5_mask": "mask_deconv",
    "roi_heads.mask_predictor.mask_fcn_logits": "mrcnn_mask",
}

# Names that older checkpoints use, and the present ones.
OLD_STYLE = (
    (r"rpn\.head\.conv\.(weight|bias)$", r"rpn.head.conv.0.0.\1"),
    (r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.(weight|bias)$", r"backbone.fpn.\1_blocks.\2.0.\3"),
    (r"roi_heads\.mask_head\.mask_fcn([1-4])\.(weight|bias)$",
     lambda m: f"roi_heads.mask_head.{int(m[1]) - 1}.0.{m[2]}"),
)


def present_name(key: str) -> str:
    """A state-dict key in the present style, whichever it came in; one of a ResNet alone as a detector's backbone."""
    if re.match(r"(conv1|bn1|layer\d)\.", key):
        key = f"backbone.body.{key}"
    for pattern, replacement in OLD_STYLE:
        key = re.sub(pattern, replacement, key)
    return key


def layer_of(key: str) -> tuple[str, str] | None:
    """(layer, weight) of this network that the state-dict key `key` stands for; None if there is no such."""
    stem, _, leaf = present_name(key).rpartition(".")
    layer = LAYERS.get(stem)
    if match := re.fullmatch(r"backbone\.body\.layer(\d)\.(\d+)\.(conv|bn)(\d)", stem):
        stage, block, kind, number = match.groups()
        layer = f"res{int(stage) + 1}_{int(block) + 1}_{number}_{'conv' if kind == 'conv' else 'norm'}"
    elif match := re.fullmatch(r"backbone\.body\.layer(\d)\.(\d+)\.downsample\.([01])", stem):
        stage, block, kind = match.groups()
        layer = f"res{int(stage) + 1}_{int(block) + 1}_shortcut_{'conv' if kind == '0' else 'norm'}"
    elif match := re.fullmatch(r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.0", stem):
        layer = f"fpn_{'lateral' if match[1] == 'inner' else 'output'}{int(match[2]) + 2}"
    elif match := re.fullmatch(r"roi_heads\.mask_head\.(\d)\.0", stem):
        layer = f"mask_conv{int(match[1]) + 1}"
    weight = (NORM if layer and layer.endswith("_norm") else PLAIN).get(leaf)
    return (layer, weight) if layer and weight else None


def key_of(layer: str, weight: str) -> str | None:
    """The state-dict key of a layer's weight, in the present style, or None: the inverse of `layer_of`."""
    stem = {name: key for key, name in LAYERS.items()}.get(layer)
    if match := re.fullmatch(r"res([2-5])_(\d+)_(\d|shortcut)_(conv|norm)", layer):
        stage, block, number, kind = match.groups()
        branch = f"downsample.{int(kind == 'norm')}" if number == "shortcut" else f"{_KINDS[kind]}{number}"
        stem = f"backbone.body.layer{int(stage) - 1}.{int(block) - 1}.{branch}"
    elif match := re.fullmatch(r"fpn_(lateral|output)([2-5])", layer):
        stem = f"backbone.fpn.{_KINDS[match[1]]}_blocks.{int(match[2]) - 2}.0"
    elif match := re.fullmatch(r"mask_conv(\d)", layer):
        stem = f"roi_heads.mask_head.{int(match[1]) - 1}.0"
    leaves = NORM if layer.endswith("_norm") else PLAIN
    leaf = {name: key for key, name in leaves.items()}.get(weight)
    return f"{stem}.{leaf}" if stem and leaf and not (leaf == "bias" and _unbiased(stem)) else None


_KINDS = {"conv": "conv", "norm": "bn", "lateral": "inner", "output": "layer"}


def _unbiased(stem: str) -> bool:
    """Whether torchvision's layer is a convolution of a ResNet, which has no bias."""
    return bool(re.search(r"backbone\.body\..*(conv\d|downsample\.0)$", stem))


def read_state(path) -> dict[str, np.ndarray]:
    """The tensors of a .safetensors or a .pth file.

    Raises:
        ValueError: if the file is missing, of another kind, or its reader is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file: give a .pth or .safetensors file, or a mapping of names to arrays")
    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return load_file(path)
        if path.suffix in (".pth", ".pt"):
            import torch

            state = torch.load(path, map_location="cpu", weights_only=True)
            return {key: value.numpy() for key, value in state.items()}
    except ImportError as problem:
        raise ValueError(f"{path}: reading it needs the package {problem.name}; install it, e.g. with pip") from problem
    raise ValueError(f"{path}: expected .pth, .pt or .safetensors")


def load_torchvision(model, state: Mapping | str | Path, classes: Classes = "load") -> WeightReport:
    """Load the state dict of torchvision's `maskrcnn_resnet50_fpn` (or R101, same names) into `model`.

    That of a ResNet alone (`conv1.weight`, `layer1.0.conv1.weight`, ...) goes into the backbone.

    Batch norm whose statistics are loaded is frozen, unless the config's `train_batch_norm` says otherwise.

    Args:
        model: a MaskRCNN, its config from `MaskRCNNConfig.torchvision`.
        state: a mapping of names to arrays, or the path of a .pth or .safetensors file. Old and new style names.
        classes: "load": all layers, for a model with the classes of the weights, such as `COCO_CLASS_NAMES`; "skip":
            the three layers that depend on the classes stay as they are, for a model with classes of its own.

    Returns:
        A WeightReport. `num_batches_tracked` entries are not counted.

    Raises:
        ValueError: if a tensor's shape does not fit its place, or no tensor at all has a place. The model is
            unchanged then.
    """
    check_classes(classes)
    tensors = read_state(state) if isinstance(state, str | Path) else state
    named = [(key, layer_of(key)) for key in tensors if not key.endswith("num_batches_tracked")]

    def value_of(key, variable):
        return _fit(key, np.asarray(tensors[key]), variable, model.config, layer_of(key)[0])

    expected = "names as in 'backbone.body.conv1.weight' or 'layer1.0.conv1.weight'"
    return assign(model, named, classes, value_of, expected)


def _fit(key, value, variable, config, layer):
    """The tensor `key` in the layout of its variable."""
    if value.ndim == 4:
        moved = value.transpose(2, 3, 1, 0)
    elif value.ndim == 2:
        moved = value.T
        size = config.box_roi_size
        if key.endswith("fc6.weight") and value.shape[1] % size**2 == 0:
            # torch flattens (C, s, s), this network (s, s, C).
            by_cell = value.reshape(value.shape[0], -1, size, size).transpose(2, 3, 1, 0)
            moved = by_cell.reshape(value.shape[1], value.shape[0])
    else:
        moved = value
    if moved.shape != tuple(variable.shape):
        raise ValueError(
            f"{key}: shape {value.shape} does not fit {variable.path}, which takes {tuple(variable.shape)} "
            f"(found {moved.shape} in that layout): {shape_hint(layer, 'load_torchvision')}"
        )
    return moved
