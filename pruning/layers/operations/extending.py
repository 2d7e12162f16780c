"""Operations that make an axis longer: repeating, tiling, broadcasting, padding."""


import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, Weightless


class Repeat(Weightless):
    """repeat: every channel of the axis several times, one number of times or one for each."""

    def channels(self, call: Call, trace: Trace) -> None:
        output, along = call.outputs[0], call.layer.axis
        trace.give(output, None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            if along is None:
                trace.lock(channels, f"{call.path} mixes channels and positions")
                continue
            if axis == along % len(output.shape):
                channels = np.repeat(channels, np.asarray(call.layer.repeats))
            trace.give(output, channels, call, axis)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        times, axis = np.atleast_1d(call.layer.repeats), call.layer.axis
        stays = None if axis is None else kept(call.inputs[0], axis)
        if stays is not None and len(times) > 1:
            config["repeats"] = times[stays].tolist()


class Tile(Weightless):
    """tile: all channels of an axis several times."""

    def channels(self, call: Call, trace: Trace) -> None:
        output, rank = call.outputs[0], len(call.inputs[0].shape)
        trace.give(output, None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            length = output.shape[axis - rank]
            trace.give(output, np.tile(channels, length // len(channels)), call, axis - rank)


class BroadcastTo(Weightless):
    """broadcast_to: channels pass; a single one that becomes several is locked."""

    def channels(self, call: Call, trace: Trace) -> None:
        output, rank = call.outputs[0], len(call.inputs[0].shape)
        trace.give(output, None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            if output.shape[axis - rank] == len(channels):
                trace.give(output, channels, call, axis - rank)
            else:
                trace.lock(channels, f"{call.path} broadcasts it over channels")

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        shape = list(config["shape"])
        for axis in range(-len(shape), 0):
            stays = kept(call.outputs[0], axis)
            shape[axis] = shape[axis] if stays is None else int(stays.sum())
        config["shape"] = shape


class Pad(Weightless):
    """pad: constants before and after an axis's channels are channels too, of which as many go as what they join."""

    def channels(self, call: Call, trace: Trace) -> None:
        output = call.outputs[0]
        trace.give(output, None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            before, after = _widths(call)[axis]
            if (before or after) and call.layer.mode != "constant":
                trace.lock(channels, f"{call.path} pads channels with channels")
                continue
            first, last = (
                trace.make(call, count, f"{side}{axis}") if count else channels[:0]
                for count, side in ((before, "before"), (after, "after"))
            )
            trace.give(output, np.concatenate([first, channels, last]), call, axis)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        widths = _widths(call)
        for axis, (before, after) in enumerate(widths):
            stays = kept(call.outputs[0], axis)
            if stays is not None and (before or after):
                widths[axis] = [int(stays[:before].sum()), int(stays[len(stays) - after :].sum())]
        if widths != _widths(call):
            config["pad_width"] = widths


def _widths(call: Call) -> list[list[int]]:
    """[before, after] for every axis."""
    stated, rank = call.layer.pad_width, len(call.inputs[0].shape)
    every = [stated[0]] * rank if len(stated) == 1 else stated
    return [[int(each[0]), int(each[-1])] for each in every]
