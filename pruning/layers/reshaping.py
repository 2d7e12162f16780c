"""Layers that move or fold axes: Flatten, Reshape, Permute."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.keeping import weightless
from pruning.layers.layer_rule import Kept, Weightless, narrowed


class Reshape(Weightless):
    """Reshape: an output axis that holds whole positions carries the channels of each; else they are locked."""

    width = ("target_shape", "newshape")

    def channels(self, call: Call, trace: Trace) -> None:
        weightless(call, "spread")
        source, output = call.inputs[0], call.outputs[0]
        refold(call, trace, tuple(source.shape), trace.axes(source), output)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        for axis in range(-len(call.outputs[0].shape) + 1, 0):
            stays = kept(call.outputs[0], axis)
            for name in self.width:
                if stays is not None and name in config:
                    config[name] = narrowed(config[name], len(stays), int(stays.sum()), axis)


class Flatten(Weightless):
    """Flatten: every channel appears once for each position; with channels first they come last before."""

    def channels(self, call: Call, trace: Trace) -> None:
        weightless(call, "spread")
        source, shape = call.inputs[0], tuple(call.inputs[0].shape)
        axes = trace.axes(source)
        if getattr(call.layer, "data_format", None) == "channels_first" and len(shape) > 2:
            order = (0, *range(2, len(shape)), 1)
            shape = tuple(shape[axis] for axis in order)
            axes = {order.index(axis): channels for axis, channels in axes.items()}
        refold(call, trace, shape, axes, call.outputs[0])


class Permute(Weightless):
    """Permute: channels go where their axis goes."""

    def channels(self, call: Call, trace: Trace) -> None:
        move(call, trace, (0, *call.layer.dims))


def move(call: Call, trace: Trace, order: Sequence[int]) -> None:
    """Transpose: axis i of the output is axis order[i] of the input."""
    trace.give(call.outputs[0], None, call)
    for axis, channels in trace.axes(call.inputs[0]).items():
        trace.give(call.outputs[0], channels, call, list(order).index(axis))


def refold(call: Call, trace: Trace, shape: tuple, axes: dict[int, np.ndarray], output: Any) -> None:
    """Give an output the channels of a tensor of `shape` that is read row by row into the output's shape.

    A channel on axis a is (p // inner) % C of flat position p, where `inner` counts the positions within one channel.
    An output axis carries it whole if, along it, that number depends on nothing else.
    """
    if len(axes) == 1:
        ((axis, channels),) = axes.items()
        inner = _product(shape[axis + 1 :])
        for place in range(len(output.shape) - 1, 0, -1):
            within, length = _product(output.shape[place + 1 :]), output.shape[place]
            if inner is None or within is None or length is None:
                continue
            if inner % within or length * within % (len(channels) * inner):
                continue
            numbers = np.arange(length) * within // inner % len(channels)
            trace.give(output, channels[numbers], call, place)
            return
    for channels in axes.values():
        trace.lock(channels, f"{call.path} mixes channels and positions")
    trace.opaque(call, output, f"made by {call.path}")


def _product(shape: Sequence[int | None]) -> int | None:
    known = [length for length in shape if length is not None]
    return math.prod(known) if len(known) == len(shape) else None
