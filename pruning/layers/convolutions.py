"""Convolutions: plain, grouped, transposed, depthwise, separable; channels first or last."""

import functools
from typing import Any

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, LayerRule, activate, channel_axis, weight


class _Convolution(LayerRule):
    """What all have in common: a bias, that must go along the channels."""

    def add_bias(self, call: Call, trace: Trace, role: str, channels: Any) -> None:
        """Write the bias into the trace; channels stay whole where Keras adds it along another axis."""
        layer = call.layer
        trace.slice(call, role, layer.bias if layer.use_bias else None, -1, channels)
        if channels is not None and _along_width(call, len(channels)):
            trace.lock(channels, f"{call.path} {_WIDTH}")

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        super().narrow(config, call, kept)
        stays = kept(call.outputs[0], channel_axis(call.layer, call.outputs[0]))
        if stays is not None and not stays.all() and _along_width(call, int(stays.sum())):
            raise ValueError(
                f"layer {call.path!r} would be left with {int(stays.sum())} filters, and {_WIDTH}: keep one more or "
                "one less (another sparsity, or round_to), or build the model with channels_last"
            )


class Conv(_Convolution):
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
        self.add_bias(call, trace, "makes", made)
        activate(call, trace, made)
        trace.give(output, made, call, channel_axis(layer, output))

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        before = config["filters"]
        super().narrow(config, call, kept)
        if config["groups"] > 1:
            config["groups"] = config["groups"] * config["filters"] // before


class ConvTranspose(_Convolution):
    """Conv1D/2D/3DTranspose: the kernel is (..., out, in); it is applied at the input's positions."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        made = trace.make(call, layer.filters)
        trace.slice(call, "reads", layer.kernel, -1, trace.channels(source, channel_axis(layer, source)))
        trace.slice(call, "makes", layer.kernel, -2, made)
        self.add_bias(call, trace, "makes", made)
        activate(call, trace, made)
        trace.give(output, made, call, channel_axis(layer, output))

    def macs(self, call: Call, sizes: Any) -> int:
        source = call.inputs[0]
        return sizes.positions(source, channel_axis(call.layer, source)) * sizes(call.layer.kernel)


class Depthwise(_Convolution):
    """DepthwiseConv1D/2D: a filter (or depth_multiplier of them) for every channel."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        channels = trace.channels(source, channel_axis(layer, source))
        carried = None if channels is None else np.repeat(channels, layer.depth_multiplier)
        rank = len(layer.kernel.shape)
        trace.slice(call, "carries", layer.kernel, -2, channels)
        trace.kernel(call, layer.kernel, (1,) * (rank - 2) + tuple(layer.kernel.shape[-2:]))
        self.add_bias(call, trace, "carries", carried)
        activate(call, trace, carried)
        trace.give(output, carried, call, channel_axis(layer, output))


class Separable(_Convolution):
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
        self.add_bias(call, trace, "makes", made)
        activate(call, trace, made)
        trace.give(output, made, call, channel_axis(layer, output))


_WIDTH = "holds channels first, as many as its output is wide, and this Keras adds the bias along the width there"


def _along_width(call: Call, filters: int) -> bool:
    """Whether a call with so many filters would have its bias added along the width."""
    layer, output = call.layer, call.outputs[0]
    first = layer.use_bias and filters > 1 and channel_axis(layer, output) == 1 and len(output.shape) > 2
    return first and output.shape[-1] == filters and _takes_width_for_channels()


@functools.cache
def _takes_width_for_channels() -> bool:
    """Whether `keras.ops.add` adds (1, 2, 1, 1) to (1, 2, 1, 2) along the last axis, as on TensorFlow up to 3.15."""
    bias = keras.ops.convert_to_tensor(np.array([0.0, 1.0], "float32").reshape(1, 2, 1, 1))
    added = keras.ops.convert_to_numpy(keras.ops.add(keras.ops.zeros((1, 2, 1, 2), "float32"), bias))
    return bool(added[0, 1, 0, 0] != 1.0)


def place_kernel(call: Call, trace: Trace, name: str, channels: Any, made: Any) -> None:
    """A kernel (..., in, out), and the two factors of its LoRA, where it has them."""
    layer = call.layer
    kernel = weight(layer, name)
    trace.slice(call, "reads", kernel, -2, channels)
    trace.slice(call, "makes", kernel, -1, made)
    if getattr(layer, "lora_enabled", False):
        trace.slice(call, "reads", layer.lora_kernel_a, -2, channels, kernel=False)
        trace.slice(call, "makes", layer.lora_kernel_b, -1, made, kernel=False)
