"""Layers and operations that move, fold or split axes: reshapes, transpositions, depth to space."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.keeping import weightless
from pruning.layers.layer_rule import Kept, Weightless, channel_axis, narrowed


class Reshape(Weightless):
    """Reshape: channels are followed onto the output's axes; where one is split, whole blocks are tied (`refold`)."""

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


class Transpose(Weightless):
    """transpose: the axes in another order, reversed by default."""

    def channels(self, call: Call, trace: Trace) -> None:
        rank = len(call.inputs[0].shape)
        order = range(rank)[::-1] if call.layer.axes is None else call.layer.axes
        move(call, trace, [int(axis) % rank for axis in order])


class SwapAxes(Weightless):
    """swapaxes: two axes change places."""

    def channels(self, call: Call, trace: Trace) -> None:
        order = list(range(len(call.inputs[0].shape)))
        one, other = call.layer.axis1, call.layer.axis2
        order[one], order[other] = order[other], order[one]
        move(call, trace, order)


class MoveAxes(Weightless):
    """moveaxis: some axes go elsewhere, the others keep their order."""

    def channels(self, call: Call, trace: Trace) -> None:
        rank = len(call.inputs[0].shape)
        goes = [int(axis) % rank for axis in np.atleast_1d(call.layer.source)]
        to = [int(axis) % rank for axis in np.atleast_1d(call.layer.destination)]
        order = [axis for axis in range(rank) if axis not in goes]
        for place, axis in sorted(zip(to, goes, strict=True)):
            order.insert(place, axis)
        move(call, trace, order)


class ExpandDims(Weightless):
    """expand_dims: axes of length one come in between."""

    def channels(self, call: Call, trace: Trace) -> None:
        rank = len(call.outputs[0].shape)
        new = {int(axis) % rank for axis in np.atleast_1d(call.layer.axis)}
        old = iter(range(rank - len(new)))
        move(call, trace, [None if axis in new else next(old) for axis in range(rank)])


class Squeeze(Weightless):
    """squeeze: axes of length one go; a channel on one of them is locked."""

    def channels(self, call: Call, trace: Trace) -> None:
        shape, axis = call.inputs[0].shape, call.layer.axis
        ones = [place for place, length in enumerate(shape) if length == 1]
        gone = ones if axis is None else [int(place) % len(shape) for place in np.atleast_1d(axis)]
        move(call, trace, [place for place in range(len(shape)) if place not in gone])


class DepthToSpace(Weightless):
    """depth_to_space: the blocks of channels that become neighbouring positions live or die together."""

    def channels(self, call: Call, trace: Trace) -> None:
        source, output = call.inputs[0], call.outputs[0]
        channels = trace.channels(source, channel_axis(call.layer, source))
        if channels is None:
            return
        blocks = channels.reshape(call.layer.block_size**2, -1)
        for block in blocks[1:]:
            trace.tie(blocks[0], block)
        trace.give(output, blocks[0], call, channel_axis(call.layer, output))


class SpaceToDepth(Weightless):
    """space_to_depth, and patches of an image: a block of all channels for every position taken in."""

    def channels(self, call: Call, trace: Trace) -> None:
        source, output = call.inputs[0], call.outputs[0]
        channels = trace.channels(source, channel_axis(call.layer, source))
        if channels is not None:
            axis = channel_axis(call.layer, output)
            trace.give(output, np.tile(channels, output.shape[axis] // len(channels)), call, axis)


def move(call: Call, trace: Trace, order: Sequence[int | None]) -> None:
    """Transpose: axis i of the output is axis order[i] of the input, None a new one; channels elsewhere are locked."""
    trace.give(call.outputs[0], None, call)
    for axis, channels in trace.axes(call.inputs[0]).items():
        if axis in order:
            trace.give(call.outputs[0], channels, call, list(order).index(axis))
        else:
            trace.lock(channels, f"{call.path} takes their axis away")


def refold(call: Call, trace: Trace, shape: tuple, axes: dict[int, np.ndarray], output: Any) -> None:
    """Give an output the channels of a tensor of `shape` that is read row by row into the output's shape.

    A channel on axis a is (p // inner) % C of flat position p, where `inner` counts the positions within one channel.
    An output axis carries it whole if, along it, that number depends on nothing else. Where the channels are spread
    over several output axes (a shuffle, heads), the axis that tells most of them apart carries them, and those that
    it does not tell apart live or die together.
    """
    given: set[int] = set()
    for axis, channels in axes.items():
        inner = _product(shape[axis + 1 :])
        found = [] if inner is None else _digits(len(channels), inner, output)
        found = [digit for digit in found if digit[1] not in given]
        if not found:
            trace.lock(channels, f"{call.path} mixes channels and positions")
            continue
        period, place, step, repeats = max(found)
        blocks = np.moveaxis(channels.reshape(-1, period, step), 1, 0).reshape(period, -1)
        for other in blocks.T[1:]:
            trace.tie(blocks[:, 0], other)
        numbers = np.arange(output.shape[place]) // repeats % period
        trace.give(output, blocks[numbers, 0], call, place)
        given.add(place)
    if not given:
        trace.opaque(call, output, f"made by {call.path}")


def _digits(count: int, inner: int, output: Any) -> list[tuple[int, int, int, int]]:
    """Output axes along which a part of the channel's number can be told.

    Returns:
        for each (period, axis, step, repeats): at index i of the axis, channel // step % period is
        i // repeats % period.
    """
    found = []
    for place in range(1, len(output.shape)):
        within, length = _product(output.shape[place + 1 :]), output.shape[place]
        if within is None or length is None or (inner % within and within % inner):
            continue
        step, repeats = max(1, within // inner), max(1, inner // within)
        if count % step or length % repeats:
            continue
        told, left = length // repeats, count // step  # channels along the axis, and those there are of this digit
        period = left if told % left == 0 else told if left % told == 0 else 1
        if period > 1 or count == 1:
            found.append((period, place, step, repeats))
    return found


def _product(shape: Sequence[int | None]) -> int | None:
    known = [length for length in shape if length is not None]
    return math.prod(known) if len(known) == len(shape) else None
