"""Batch norm written into the weights of the layer before it: the same function with fewer layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pruning.compression.network_config import NetworkConfig, layer_entry
from pruning.compression.number_grids import OUTPUT_AXES, per_channel
from pruning.compression.rewriting import Weights, rewritten


def fold_batch_norm(model: Any) -> Any:
    """A model without the batch norms that directly follow a convolution or dense layer; outputs stay as they are.

    The layer before takes scale and shift into its kernel and bias. Left alone: a batch norm behind anything else, or
    one whose input is read elsewhere too. Meant for inference: a folded batch norm trains no more.

    Args:
        model: Functional or Sequential model, or an object with `.network` and `.config`.

    Returns:
        a model of the same class, not compiled; the original is untouched.
    """
    return rewritten(model, fold)


def fold(network: NetworkConfig, weights: Weights) -> dict[str, str]:
    """Fold in a config and in the weights beside it; returns path of a batch norm -> path of what has it now."""
    split_separable(network, weights)
    found = {}
    for net in network.everywhere():
        for name in [name for name, entry in net.entries.items() if _is(entry, "BatchNormalization")]:
            kernel = _foldable_into(net, name)
            if kernel is not None:
                _fold_one(net, name, kernel, weights)
                found[net.path + name] = net.path + kernel
    return found


def split_separable(network: NetworkConfig, weights: Weights) -> None:
    """Write every SeparableConv2D as the depthwise and the pointwise convolution that it is."""
    for net in network.everywhere():
        for name in [name for name, entry in net.entries.items() if _is(entry, "SeparableConv2D")]:
            config = net.entries[name]["config"]
            if len(net.calls_of(name)) != 1:
                continue
            depthwise = {key: config[key] for key in ("kernel_size", "strides", "padding", "data_format", "dtype")}
            depthwise |= {"dilation_rate": config["dilation_rate"], "depth_multiplier": config["depth_multiplier"]}
            first = net.free_name(f"{name}_depthwise")
            same = ("name", "filters", "data_format", "dtype", "activation", "use_bias")
            pointwise = {key: config[key] for key in same}
            (call,) = net.calls_of(name)
            (source,) = call.reads()
            depthwise |= {"name": first, "use_bias": False, "activation": "linear"}
            net.insert(layer_entry("DepthwiseConv2D", depthwise), source, [call], outputs=False)
            net.entries[name] |= {"class_name": "Conv2D"}
            net.entries[name]["config"] = {**pointwise, "kernel_size": (1, 1)}
            kernels = weights[net.path + name]
            weights[net.path + first], weights[net.path + name] = kernels[:1], kernels[1:]


def _is(entry: dict, kind: str) -> bool:
    return entry["class_name"] == kind and entry.get("registered_name") is None


def _foldable_into(net: NetworkConfig, name: str) -> str | None:
    """The layer whose kernel a batch norm may go into."""
    calls = net.calls_of(name)
    if len(calls) != 1 or len(calls[0].sources) != 1:
        return None
    (tensor,) = calls[0].reads()
    if tensor[0] not in net.entries or tensor in net.outputs or len(net.readers(tensor)) != 1:
        return None
    entry = net.entries[tensor[0]]
    kind, config = entry["class_name"], entry["config"]
    if kind not in OUTPUT_AXES or entry.get("registered_name") is not None or len(net.calls_of(tensor[0])) != 1:
        return None
    if config["activation"] != "linear" or config.get("data_format", "channels_last") != "channels_last":
        return None
    axis, rank = net.entries[name]["config"]["axis"], {"Conv1D": 3, "Dense": None}.get(kind, 4)
    return tensor[0] if axis == -1 or (rank is not None and axis == rank - 1) else None


def _fold_one(net: NetworkConfig, name: str, kernel_name: str, weights: Weights) -> None:
    config = net.entries[name]["config"]
    values = [value.astype(np.float64) for value in weights.pop(net.path + name)]
    scale = values.pop(0) if config["scale"] else np.ones_like(values[-1])
    shift = values.pop(0) if config["center"] else np.zeros_like(scale)
    mean, variance = values
    factor = scale / np.sqrt(variance + config["epsilon"])
    entry = net.entries[kernel_name]
    kernel, *bias = weights[net.path + kernel_name]
    offset = shift + ((bias[0] if bias else 0.0) - mean) * factor
    folded = kernel * per_channel(factor, kernel, entry["class_name"])
    weights[net.path + kernel_name] = [folded.astype(kernel.dtype), offset.astype(kernel.dtype)]
    entry["config"]["use_bias"] = True
    net.remove(name)
