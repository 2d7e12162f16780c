"""Operations that take positions of an axis, apart or in another order: indexing, slice, take, split, flip, roll."""

from typing import Any

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, Weightless, axes_of

Picks = dict[int, tuple[int | None, np.ndarray | None]]
"""Axis of the input -> (its place in the output, None where it goes; the positions taken, None: not known)."""


class Select(Weightless):
    """What takes some positions of some axes: indexing, slice, take. Indices are counted anew among what stays.

    Attributes:
        any_order: whether it can be asked for any positions; else for those at one distance from one another.
    """

    any_order = False

    def channels(self, call: Call, trace: Trace) -> None:
        picks = self.picks(call)
        if picks is None:
            trace.lock_all(call, "selects by numbers that are not known")
            return
        output, source = call.outputs[0], call.inputs[0]
        trace.give(output, None, call)
        for axis, channels in trace.axes(source).items():
            place, taken = picks.get(axis, (None, None))
            if taken is None:
                trace.lock(channels, f"{call.path} selects by numbers that are not known")
            elif place is None:
                trace.lock(channels[taken], f"{call.path} takes one of them")
            else:
                if len(np.unique(taken)) < len(channels):
                    trace.apart(channels[taken])
                stride = abs(int(taken[1] - taken[0])) if len(taken) > 1 else 1
                if stride > 1 and not self.any_order:
                    if len(channels) % stride or len(taken) * stride != len(channels):
                        trace.lock(channels, f"{call.path} takes every {stride}th of them")
                    else:  # blocks go whole, so that the same stride meets the same ones
                        for number in range(1, stride):
                            trace.tie(channels[::stride], channels[number::stride])
                trace.give(output, channels[taken], call, place)

    def picks(self, call: Call) -> Picks | None:
        """What is taken; None where nothing can be said."""
        raise NotImplementedError


class GetItem(Select):
    """x[key]: slices, single positions, new axes."""

    def picks(self, call: Call) -> Picks | None:
        found: Picks = {}
        axis = place = 0
        for part in self._key(call):
            if part is None:
                place += 1
                continue
            length = call.inputs[0].shape[axis]
            taken = None if length is None else np.atleast_1d(np.arange(length)[part])
            found[axis] = (place if isinstance(part, slice) else None, taken)
            place += isinstance(part, slice)
            axis += 1
        return found

    def arguments(self, args: Any, kwargs: dict, call: Call, kept: Kept) -> tuple[Any, dict]:
        key, axis = self._key(call), 0
        for number, part in enumerate(key):
            if part is None:
                continue
            stays = kept(call.inputs[0], axis)
            if stays is not None and not stays.all():
                key[number] = _narrower(part, stays)
            axis += 1
        return (args[0], tuple(key)), {}

    def _key(self, call: Call) -> list:
        """A slice or number for every axis, None for a new one."""
        key = call.args[1] if len(call.args) > 1 else call.kwargs["key"]
        parts = list(key) if isinstance(key, list | tuple) else [key]
        at = next((n for n, part in enumerate(parts) if part is Ellipsis), None)
        before, after = (parts, []) if at is None else (parts[:at], parts[at + 1 :])
        taken = sum(part is not None for part in (*before, *after))
        return [*before, *[slice(None)] * (len(call.inputs[0].shape) - taken), *after]


def _narrower(part: Any, stays: np.ndarray) -> Any:
    """A slice or number that takes, of the positions that stay, those that it took before."""
    left = np.concatenate([[0], np.cumsum(stays)])
    if not isinstance(part, slice):
        return int(left[part % len(stays)])
    start, stop, step = part.indices(len(stays))
    if abs(step) > 1 or (step == 1 and part.start is None and part.stop is None):
        return part  # whole blocks went, or nothing is cut off
    if step == 1:
        return slice(int(left[start]), int(left[max(start, stop)]))
    return slice(int(left[start + 1]) - 1, int(left[stop + 1]) - 1 if stop >= 0 and left[stop + 1] else None, -1)


class Slice(Select):
    """slice: a start and a length for every axis."""

    def picks(self, call: Call) -> Picks | None:
        found: Picks = {}
        starts, lengths = self._starts(call), call.outputs[0].shape
        for axis, (full, length) in enumerate(zip(call.inputs[0].shape, lengths, strict=True)):
            known = starts is not None or full == length
            taken = None if length is None or not known else np.arange(length) + (0 if starts is None else starts[axis])
            found[axis] = (axis, taken)
        return found

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        shape = [int(length) for length in call.layer.shape]
        for axis, length in enumerate(shape):
            stays = kept(call.outputs[0], axis)
            if stays is not None and length != -1:
                shape[axis] = int(stays.sum())
        if shape != [int(length) for length in call.layer.shape]:
            config["shape"] = shape

    def arguments(self, args: Any, kwargs: dict, call: Call, kept: Kept) -> tuple[Any, dict]:
        starts = self._starts(call)
        if starts is None:
            return args, kwargs
        for axis, start in enumerate(starts):
            stays = kept(call.inputs[0], axis)
            starts[axis] = start if stays is None else int(stays[:start].sum())
        return (args[0] if args else kwargs["inputs"], starts), {}

    def _starts(self, call: Call) -> list[int] | None:
        starts = call.args[1] if len(call.args) > 1 else call.kwargs["start_indices"]
        return None if len(call.inputs) > 1 else [int(start) for start in np.asarray(starts)]


class Take(Select):
    """take along an axis by constant indices; by a tensor's, channels on other axes are followed."""

    any_order = True

    def picks(self, call: Call) -> Picks | None:
        shape, axis, indices = call.inputs[0].shape, call.layer.axis, self._indices(call)
        if axis is None or not isinstance(call.args[0] if call.args else call.kwargs["x"], keras.KerasTensor):
            return None
        more = len(call.outputs[0].shape) - len(shape)  # axes of the indices instead of one
        found: Picks = {}
        for place, length in enumerate(shape):
            taken = None if length is None else np.arange(length)
            found[place] = (place + (more if place > axis % len(shape) else 0), taken)
        taken = None
        if indices is not None and indices.ndim < 2 and shape[axis] is not None:
            taken = np.atleast_1d(indices) % shape[axis]
        found[axis % len(shape)] = (None if more < 0 else axis % len(shape), taken)
        return found

    def arguments(self, args: Any, kwargs: dict, call: Call, kept: Kept) -> tuple[Any, dict]:
        indices, axis = self._indices(call), call.layer.axis
        stays = None if axis is None else kept(call.inputs[0], axis)
        if indices is None or stays is None or stays.all():
            return args, kwargs
        left, places = np.cumsum(stays) - 1, indices % len(stays)
        places = places[stays[places]] if indices.ndim else places
        return (args[0] if args else kwargs["x"], left[places].astype("int32")), {}

    def _indices(self, call: Call) -> np.ndarray | None:
        indices = call.args[1] if len(call.args) > 1 else call.kwargs["indices"]
        return None if isinstance(indices, keras.KerasTensor) else np.asarray(indices)


class Split(Weightless):
    """split: along the split axis every output has the channels of its positions, and keeps at least one of them.

    Args:
        axis: the axis, where the operation names none.
    """

    def __init__(self, axis: int | None = None) -> None:
        self._axis = axis

    def channels(self, call: Call, trace: Trace) -> None:
        source = call.inputs[0]
        along = self._along(call)
        for output in call.outputs:
            trace.give(output, None, call)
        for axis, channels in trace.axes(source).items():
            start = 0
            for output in call.outputs:
                mine = channels if axis != along else channels[start : start + output.shape[axis]]
                start += len(mine)
                if axis == along:
                    trace.apart(mine)
                trace.give(output, mine, call, axis)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        every = [kept(output, self._along(call)) for output in call.outputs]
        stays = [piece for piece in every if piece is not None]
        if len(stays) == len(every) and not all(piece.all() for piece in stays):
            ends = np.cumsum([int(piece.sum()) for piece in stays])
            config["indices_or_sections"] = [int(end) for end in ends[:-1]]

    def _along(self, call: Call) -> int:
        axis = getattr(call.layer, "axis", self._axis)
        return (axis if axis is not None else 0) % len(call.inputs[0].shape)


class Unstack(Weightless):
    """unstack: one output for every position of an axis, which goes; channels on it are locked."""

    def channels(self, call: Call, trace: Trace) -> None:
        along = call.layer.axis % len(call.inputs[0].shape)
        for output in call.outputs:
            trace.give(output, None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            if axis == along:
                trace.lock(channels, f"{call.path} takes them apart")
                continue
            for output in call.outputs:
                trace.give(output, channels, call, axis - (axis > along))


class Flip(Weightless):
    """flip: the channels of a flipped axis come in reverse.

    Args:
        axis: the axis, where the operation names none.
    """

    def __init__(self, axis: int | None = None) -> None:
        self._axis = axis

    def channels(self, call: Call, trace: Trace) -> None:
        rank = len(call.inputs[0].shape)
        axes = [self._axis] if self._axis is not None else axes_of(call.layer)
        trace.give(call.outputs[0], None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            flipped = axes is None or axis in {each % rank for each in axes}
            trace.give(call.outputs[0], channels[::-1] if flipped else channels, call, axis)


class Roll(Weightless):
    """roll: channels that leave at the end come in at the front, however many of them stay."""

    def channels(self, call: Call, trace: Trace) -> None:
        shifts = _shifts(call)
        trace.give(call.outputs[0], None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            if shifts is None:
                trace.lock(channels, f"{call.path} rolls over all axes at once")
            trace.give(call.outputs[0], np.roll(channels, (shifts or {}).get(axis, 0)), call, axis)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        shifts = dict(_shifts(call) or {})
        for axis, shift in shifts.items():
            stays = kept(call.inputs[0], axis)
            if stays is not None and not stays.all():
                shifts[axis] = int(stays[len(stays) - shift % len(stays) :].sum())
        if shifts != (_shifts(call) or {}):
            config |= {"axis": list(shifts), "shift": list(shifts.values())}


def _shifts(call: Call) -> dict[int, int] | None:
    """Axis -> how far it is rolled."""
    axes = axes_of(call.layer)
    if axes is None:
        return None
    found: dict[int, int] = {}
    for axis, shift in zip(axes, np.broadcast_to(call.layer.shift, len(axes)), strict=True):
        place = axis % len(call.inputs[0].shape)
        found[place] = found.get(place, 0) + int(shift)
    return found
