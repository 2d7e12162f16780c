"""Convolutions: plain, grouped, transposed, depthwise, separable; channels first or last."""

from typing import Any

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, LayerRule, activate, channel_axis, weight


class Conv(LayerRule):
    """Conv1D/2D/3D: the kernel reads on its last axis but one, makes on its last. Whole groups live or die."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        channels = trace.channels(source, channel_axis(layer, source))
        made = trace.make(call, layer.filters)
        if layer.groups > 1 and channels is not None:
            for inside, outside in zip(np.split(channels, layer.groups), np.split(made, layer.groups), strict=True):
                first = outside[:1]
                trace.tie(np.repeat(first, len(inside)), inside)
                trace.tie(np.repeat(first, len(outside)), outside)
        place_kernel(call, trace, "kernel", channels if layer.groups == 1 else None, made)
        trace.slice(call, "makes", layer.bias if layer.use_bias else None, -1, made)
        activate(call, trace, made)
        trace.give(output, made, call, channel_axis(layer, output))

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        before = config["filters"]
        super().narrow(config, call, kept)
        if config["groups"] > 1:
            config["groups"] = config["groups"] * config["filters"] // before


class ConvTranspose(LayerRule):
    """Conv1D/2D/3DTranspose: the kernel is (..., out, in); it is applied at the input's positions."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        made = trace.make(call, layer.filters)
        trace.slice(call, "reads", layer.kernel, -1, trace.channels(source, channel_axis(layer, source)))
        trace.slice(call, "makes", layer.kernel, -2, made)
        trace.slice(call, "makes", layer.bias if layer.use_bias else None, -1, made)
        activate(call, trace, made)
        trace.give(output, made, call, channel_axis(layer, output))

    def macs(self, call: Call, sizes: Any) -> int:
        source = call.inputs[0]
        return sizes.positions(source, channel_axis(call.layer, source)) * sizes(call.layer.kernel)


class Depthwise(LayerRule):
    """DepthwiseConv1D/2D: a filter (or depth_multiplier of them) for every channel."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        channels = trace.channels(source, channel_axis(layer, source))
        carried = None if channels is None else np.repeat(channels, layer.depth_multiplier)
        rank = len(layer.kernel.shape)
        trace.slice(call, "carries", layer.kernel, -2, channels)
        trace.kernel(call, layer.kernel, (1,) * (rank - 2) + tuple(layer.kernel.shape[-2:]))
        trace.slice(call, "carries", layer.bias if layer.use_bias else None, -1, carried)
        activate(call, trace, carried)
        trace.give(output, carried, call, channel_axis(layer, output))


class Separable(LayerRule):
    """SeparableConv1D/2D: a depthwise kernel carries, a pointwise one reads and makes."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        channels = trace.channels(source, channel_axis(layer, source))
        between = None if channels is None else np.repeat(channels, layer.depth_multiplier)
        made = trace.make(call, layer.filters)
        trace.slice(call, "carries", layer.depthwise_kernel, -2, channels)
        trace.kernel(call, layer.depthwise_kernel)
        trace.slice(call, "reads", layer.pointwise_kernel, -2, between)
        trace.slice(call, "makes", layer.pointwise_kernel, -1, made)
        trace.slice(call, "makes", layer.bias if layer.use_bias else None, -1, made)
        activate(call, trace, made)
        trace.give(output, made, call, channel_axis(layer, output))


def place_kernel(call: Call, trace: Trace, name: str, channels: Any, made: Any) -> None:
    """A kernel (..., in, out), and the two factors of its LoRA, where it has them."""
    layer = call.layer
    kernel = weight(layer, name)
    trace.slice(call, "reads", kernel, -2, channels)
    trace.slice(call, "makes", kernel, -1, made)
    if getattr(layer, "lora_enabled", False):
        trace.slice(call, "reads", layer.lora_kernel_a, -2, channels, kernel=False)
        trace.slice(call, "makes", layer.lora_kernel_b, -1, made, kernel=False)
