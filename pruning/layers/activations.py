"""Activations that are layers: those with weights of their own, and those that look across an axis."""

from typing import Any

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import LayerRule, Weightless, activate


class Activation(Weightless):
    """Activation: what its function does."""

    def channels(self, call: Call, trace: Trace) -> None:
        trace.give(call.outputs[0], None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            activate(call, trace, channels)
            trace.give(call.outputs[0], channels, call, axis)


class PReLU(LayerRule):
    """PReLU: a slope for every position of the axes that are not shared."""

    def channels(self, call: Call, trace: Trace) -> None:
        alpha = call.layer.alpha
        trace.give(call.outputs[0], None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            shared = alpha.shape[axis - 1] == 1
            trace.slice(call, "carries", alpha, axis - 1, None if shared else channels, zero=False)
            trace.give(call.outputs[0], channels, call, axis)

    def macs(self, call: Call, sizes: Any) -> int:
        return 0


class Softmax(Weightless):
    """Softmax (layer or raw operation): locks the channels of its axes."""

    def channels(self, call: Call, trace: Trace) -> None:
        rank = len(call.inputs[0].shape)
        across = [int(axis) % rank for axis in np.atleast_1d(call.layer.axis)]
        trace.give(call.outputs[0], None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            if axis in across:
                trace.lock(channels, f"softmax over channels ({call.path})")
            trace.give(call.outputs[0], channels, call, axis)
