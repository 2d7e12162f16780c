"""Layers of several inputs: element-wise with broadcasting, and concatenation."""

from typing import Any

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.keeping import weightless
from pruning.layers.layer_rule import Weightless


class Tie(Weightless):
    """Element-wise over several inputs: equal positions are tied; a width of 1 broadcasts. On every axis."""

    def channels(self, call: Call, trace: Trace) -> None:
        weightless(call, "tie")
        output = call.outputs[0]
        rank = len(output.shape)
        held = [
            {axis - len(tensor.shape): channels for axis, channels in trace.axes(tensor).items()}
            for tensor in call.data
        ]
        trace.give(output, None, call)
        for axis in sorted({axis for channels in held for axis in channels}):
            self._tie(call, trace, axis, held, output.shape[axis] if -axis <= rank else None)

    def _tie(self, call: Call, trace: Trace, axis: int, held: list[dict], width: int | None) -> None:
        tied, why = [], None
        for tensor, known in zip(call.data, held, strict=True):
            channels = known.get(axis)
            if channels is not None and len(channels) == width:
                tied.append(channels)
            elif channels is not None:
                trace.lock(channels, f"{call.path} broadcasts it over channels")
            elif -axis < len(tensor.shape) and tensor.shape[axis] not in (1, None):  # not the batch axis
                why = f"{call.path} combines them with what is no channel"
        for array in constants(call):
            if array.ndim >= -axis and array.shape[axis] > 1:
                why = f"{call.path} combines them with a constant per channel"
        for channels in tied:
            if why:
                trace.lock(channels, why)
        trace.tie(*tied)
        if tied:
            trace.give(call.outputs[0], tied[0], call, axis)
        elif axis == -1:
            trace.opaque(call, call.outputs[0], f"made by {call.path}")


class Divide(Tie):
    """Division: as `Tie`; what stands below the line must not become zero."""

    def channels(self, call: Call, trace: Trace) -> None:
        super().channels(call, trace)
        below = call.args[1] if len(call.args) > 1 else call.kwargs.get("x2")
        if isinstance(below, keras.KerasTensor):
            for channels in trace.axes(below).values():
                trace.spare(channels)


class Stack(Weightless):
    """Concatenation: along the joined axis channels follow one another; along the others they are tied."""

    def channels(self, call: Call, trace: Trace) -> None:
        weightless(call, "stack")
        output, axes = call.outputs[0], [trace.axes(tensor) for tensor in call.data]
        joined = call.layer.axis % len(output.shape)
        trace.give(output, None, call)
        for axis in sorted({axis for held in axes for axis in held}):
            arrays = [held.get(axis) for held in axes]
            known = [array for array in arrays if array is not None]
            if len(known) < len(arrays):
                for array in known:
                    trace.lock(array, f"{call.path} joins them with channels that are not known")
                if axis == len(output.shape) - 1:
                    trace.opaque(call, output, f"made by {call.path}")
            elif axis == joined:
                trace.give(output, np.concatenate(known), call, axis)
            else:
                trace.tie(*known)
                trace.give(output, known[0], call, axis)


def constants(call: Call) -> list[np.ndarray]:
    """The numbers and arrays among a call's arguments."""
    found: list[Any] = []
    for leaf in keras.tree.flatten((call.args, call.kwargs)):
        if leaf is None or isinstance(leaf, keras.KerasTensor | str | bool):
            continue
        found.append(np.asarray(keras.ops.convert_to_numpy(leaf) if hasattr(leaf, "shape") else leaf))
    return found
