"""Normalisation, and layers that scale every channel by a factor of its own."""

from typing import Any

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import LayerRule, Locked, Weightless


class BatchNorm(Weightless):
    """BatchNormalization: scale, shift and statistics for every channel of its axis."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        axis = layer.axis % len(source.shape)
        channels = trace.channels(source, axis)
        for other, across in trace.axes(source).items():
            if other != axis:
                trace.lock(across, f"batch norm over axis {layer.axis} ({call.path})")
                trace.give(output, across, call, other)
        trace.slice(call, "carries", layer.gamma if layer.scale else None, -1, channels)
        trace.slice(call, "carries", layer.beta if layer.center else None, -1, channels)
        # Without a scale, what is silent comes out as (0 - mean) / std: the mean has to go as well.
        trace.slice(call, "carries", layer.moving_mean, -1, channels, zero=not layer.scale)
        trace.slice(call, "carries", layer.moving_variance, -1, channels, zero=False)
        trace.scale(call)
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


class LockedNorm(Locked):
    """Norms over channels, whose statistics would change; normalisation by constants."""

    def macs(self, call: Call, sizes: Any) -> int:
        return 0


ACROSS_CHANNELS: LayerRule = LockedNorm("normalised over channels, whose statistics would change")
BY_CONSTANTS: LayerRule = LockedNorm("normalised by constants")
