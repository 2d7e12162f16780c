"""Weights of Matterport's Mask R-CNN: HDF5 files of Keras 2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from maskrcnn.weights.assignment import Classes, Place, assign, check_classes, places_of, shape_hint
from maskrcnn.weights.report import WeightReport

# Layers whose name does not follow from a rule.
LAYERS = {
    "conv1": "stem_conv",
    "bn_conv1": "stem_norm",
    "rpn_conv_shared": "rpn_conv",
    "rpn_class_raw": "rpn_class",
    "rpn_bbox_pred": "rpn_bbox",
    "mrcnn_class_logits": "mrcnn_class_logits",
    "mrcnn_bbox_fc": "mrcnn_bbox",
    "mrcnn_mask_deconv": "mask_deconv",
    "mrcnn_mask": "mrcnn_mask",
}
RULES = (
    (r"fpn_c([2-5])p\1", r"fpn_lateral\1"),
    (r"fpn_p([2-5])", r"fpn_output\1"),
    (r"mrcnn_class_conv([12])", r"box_fc\1"),
    (r"mrcnn_class_bn([12])", r"box_fc\1_norm"),
    (r"mrcnn_mask_conv([1-4])", r"mask_conv\1"),
    (r"mrcnn_mask_bn([1-4])", r"mask_conv\1_norm"),
)
WEIGHTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
DELTAS = (1, 0, 3, 2)  # of (dx, dy, dw, dh) in that code's (dy, dx, dh, dw)


def layer_of(name: str) -> Place | None:
    """(layer, weight) of this network that "conv1/kernel" and the like stand for; None if there is no such."""
    stem, _, weight = name.rpartition("/")
    layer = LAYERS.get(stem)
    if match := re.fullmatch(r"(res|bn)([2-5])([a-z])_branch(1|2[abc])", stem):
        kind, stage, block, branch = match.groups()
        part = "shortcut" if branch == "1" else "abc".index(branch[1]) + 1
        layer = f"res{stage}_{ord(block) - ord('a') + 1}_{part}_{'conv' if kind == 'res' else 'norm'}"
    for pattern, replacement in RULES:
        if re.fullmatch(pattern, stem):
            layer = re.sub(pattern, replacement, stem)
    return (layer, weight) if layer and weight in WEIGHTS else None


def load_matterport(model: Any, path: str | Path, classes: Classes = "load") -> WeightReport:
    """Load an .h5 file of Matterport's Mask R-CNN (ResNet-50 or 101), of weights alone or of a whole model.

    Two things are turned into this network's terms: deltas from (dy, dx, dh, dw), and the RPN's softmax over background
    and object, which is the sigmoid of their difference. Batch norm that is loaded is frozen, unless the config's
    `train_batch_norm` says otherwise. Of the file nothing but arrays is read, and no link to another file is followed.

    Args:
        model: a MaskRCNN, its config from `MaskRCNNConfig.matterport`.
        path: of the file.
        classes: "load": all layers, for a model with the classes of the weights, such as `MATTERPORT_CLASS_NAMES`;
            "skip": the three layers that depend on the classes stay as they are, for a model with its own.

    Returns:
        A WeightReport, of names like "conv1/kernel".

    Raises:
        ValueError: no HDF5 file, a tensor that does not fit or is no plain array of numbers, one that this network has
            not got although it has its layer, or none with a place. The model is unchanged then.
    """
    check_classes(classes)
    try:
        with h5py.File(path, "r") as file:
            # A whole model has its weights in a group; a link in its place could lead to another file.
            inside = isinstance(file.get("model_weights", getlink=True), h5py.HardLink)
            group = file["model_weights"] if inside else file
            if not isinstance(group, h5py.Group):
                raise ValueError(f"{path}: model_weights is no group, as it is in a Keras file")
            return _assign(model, group, classes, path)
    except OSError as problem:
        raise ValueError(f"{path}: cannot be read as an HDF5 file (.h5) of Keras weights: {problem}") from None


def _assign(model, group, classes, path) -> WeightReport:
    tensors: dict[str, h5py.Dataset] = {}

    def collect(place, item):  # `visititems` follows neither soft nor external links
        if isinstance(item, h5py.Dataset):
            name = "/".join(place.split("/")[-2:]).removesuffix(":0")
            if name in tensors:
                raise ValueError(f"{path}: {name} is there twice")
            tensors[name] = item

    group.visititems(collect)
    places = places_of(model)
    layers = {layer for layer, _ in places}
    named = {name: layer_of(name) for name in tensors}
    homeless = [name for name, place in named.items() if place and place[0] in layers and place not in places]
    if homeless:
        raise ValueError(
            f"{path}: {homeless[0]} has no place in this model, which has its layer ({len(homeless)} tensors like "
            "this): make the model with MaskRCNNConfig.matterport(...)"
        )

    def value_of(name, variable):
        return _fit(path, name, tensors[name], variable, named[name])

    return assign(model, named.items(), classes, value_of, f"layers as in 'conv1' or 'fpn_c5p5' ({path})")


def _fit(path, name, tensor, variable, place) -> np.ndarray:
    """The dataset in the terms of its variable; its shape is looked at before it is read."""
    shape, wanted = tuple(tensor.shape or ()), tuple(variable.shape)
    if tensor.dtype.kind != "f" or tensor.is_virtual or tensor.external:
        raise ValueError(f"{path}: {name} is no plain array of floating-point numbers ({tensor.dtype})")
    stored = wanted
    if place[0] == "rpn_class":
        stored = (*wanted[:-1], 2 * wanted[-1])
    elif place == ("box_fc1", "kernel"):
        side = _side(wanted[0], shape)
        stored = (side, side, wanted[0] // side**2, wanted[1])
    elif place == ("box_fc2", "kernel"):
        stored = (1, 1, *wanted)
    if shape != stored:
        raise ValueError(
            f"{path}: {name}: shape {shape} does not fit {variable.path}, for which {stored} is expected: "
            f"{shape_hint(place[0], 'load_matterport')}"
        )
    value = np.asarray(tensor, "float32")
    if place[0] == "rpn_class":
        value = value[..., 1::2] - value[..., ::2]
    elif place[0] in ("rpn_bbox", "mrcnn_bbox"):
        value = value.reshape(*shape[:-1], -1, 4)[..., DELTAS]
    return value.reshape(wanted)


def _side(inputs: int, shape: tuple[int, ...]) -> int:
    """Bins along a region's side, of a kernel that reads `inputs` numbers: the file's, if they can be."""
    side = shape[0] if shape else 0
    return side if side and inputs % side**2 == 0 else 1
