"""Normalisation, and layers that scale every channel by a factor of its own."""

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, Locked, Weightless, sum_over


class BatchNorm(Weightless):
    """BatchNormalization: scale, shift and statistics for every channel of its axis."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer = call.layer
        channels = _own_axis(call, trace, "batch norm over axis")
        trace.slice(call, "carries", layer.gamma if layer.scale else None, -1, channels)
        trace.slice(call, "carries", layer.beta if layer.center else None, -1, channels)
        # Without a scale, what is silent comes out as (0 - mean) / std: the mean has to go as well.
        trace.slice(call, "carries", layer.moving_mean, -1, channels, zero=not layer.scale)
        trace.slice(call, "carries", layer.moving_variance, -1, channels, zero=False)
        trace.scale(call)


class GroupNorm(Weightless):
    """GroupNormalization: channels that are normalised together go together; with a group each, one by one."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer = call.layer
        channels = _own_axis(call, trace, "group norm over axis")
        if channels is None:
            return
        if layer.groups == 1:
            trace.lock(channels, f"one group of all channels, whose statistics would change ({call.path})")
        for together in np.split(channels, layer.groups):
            trace.tie(np.repeat(together[:1], len(together)), together)
        trace.slice(call, "carries", layer.gamma, -1, channels)
        trace.slice(call, "carries", layer.beta, -1, channels)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        stays = kept(call.outputs[0], call.layer.axis)
        if stays is not None:
            config["groups"] = call.layer.groups * int(stays.sum()) // len(stays)


class UnitNorm(Weightless):
    """UnitNormalization: divides by the length of a vector, to which channels of zero add nothing."""

    def channels(self, call: Call, trace: Trace) -> None:
        source, output = call.inputs[0], call.outputs[0]
        over = [int(axis) % len(source.shape) for axis in np.atleast_1d(call.layer.axis)]
        trace.give(output, None, call)
        for axis, channels in trace.axes(source).items():
            if axis in over:
                sum_over(call, trace, source, axis)
            trace.give(output, channels, call, axis)


class LayerScale(Weightless):
    """ConvNeXt's LayerScale: one factor for every channel."""

    carries = {"gamma": -1}
    width = "projection_dim"


class Rescaling(Weightless):
    """Rescaling: locked where every channel has a constant of its own."""

    def channels(self, call: Call, trace: Trace) -> None:
        own = np.size(call.layer.scale) > 1 or np.size(call.layer.offset) > 1
        for axis, channels in trace.axes(call.inputs[0]).items():
            if own:
                trace.lock(channels, f"{call.path} scales every channel by a constant of its own")
            trace.give(call.outputs[0], channels, call, axis)
        trace.give(call.outputs[0], None, call)


# A mean over fewer channels is another mean, also where those that go are zero.
ACROSS_CHANNELS = Locked("normalised by a mean over channels, which changes with their number", multiplies=False)
BY_CONSTANTS = Locked("normalised by constants", multiplies=False)


def _own_axis(call: Call, trace: Trace, why: str) -> np.ndarray | None:
    """Channels on the axis of a norm, handed on; those on other axes are locked."""
    source, output = call.inputs[0], call.outputs[0]
    own = call.layer.axis % len(source.shape)
    for axis, across in trace.axes(source).items():
        if axis != own:
            trace.lock(across, f"{why} {call.layer.axis} ({call.path})")
            trace.give(output, across, call, axis)
    channels = trace.channels(source, own)
    trace.give(output, channels, call, own)
    return channels
