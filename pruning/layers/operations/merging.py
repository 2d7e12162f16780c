"""Layers and operations of several inputs: element-wise with broadcasting, concatenation, products over an axis."""

import math
import string
from typing import Any

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.keeping import weightless
from pruning.layers.layer_rule import Kept, Weightless, zero_if_masked


class Tie(Weightless):
    """Element-wise over several inputs: equal positions are tied; a width of 1 broadcasts. On every axis.

    A constant with a number for each channel is cut with the channels.
    """

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
            if array.ndim >= -axis and array.shape[axis] > 1 and array.shape[axis] != width:
                why = f"{call.path} combines them with a constant of another width"
        for channels in tied:
            if why:
                trace.lock(channels, why)
        trace.tie(*tied)
        if tied:
            trace.give(call.outputs[0], tied[0], call, axis)
        elif axis == -1:
            trace.opaque(call, call.outputs[0], f"made by {call.path}")

    def arguments(self, args: Any, kwargs: dict, call: Call, kept: Kept) -> tuple[Any, dict]:
        output = call.outputs[0]

        def narrower(value: Any) -> Any:
            if _holds_tensors(value):
                return type(value)(map(narrower, value)) if isinstance(value, list | tuple) else value
            if value is None or isinstance(value, str | bool):
                return value
            array = _array(value)
            for axis in range(-array.ndim, 0):
                stays = kept(output, axis)
                if stays is not None and len(stays) == array.shape[axis] and not stays.all():
                    value = array = np.compress(stays, array, axis=axis)
            return value

        return tuple(map(narrower, args)), {name: narrower(value) for name, value in kwargs.items()}


class Divide(Tie):
    """Division, remainder: as `Tie`; what stands below the line must not become zero."""

    def channels(self, call: Call, trace: Trace) -> None:
        super().channels(call, trace)
        _spare(call.args[1] if len(call.args) > 1 else call.kwargs.get("x2"), trace)


class Power(Tie):
    """power: as `Tie`; the base must not become zero, unless the exponent is a number of one or more."""

    def channels(self, call: Call, trace: Trace) -> None:
        super().channels(call, trace)
        base, exponent = [*call.args, *(call.kwargs[name] for name in ("x1", "x2") if name in call.kwargs)]
        if _holds_tensors(exponent) or np.min(_array(exponent)) < 1:
            _spare(base, trace)


class NotOfZeros(Tie):
    """Functions of two numbers that have no gradient where both are zero: hypot, arctan2."""

    def channels(self, call: Call, trace: Trace) -> None:
        super().channels(call, trace)
        for tensor in call.data:
            _spare(tensor, trace)


class Stack(Weightless):
    """Concatenation: along the joined axis channels follow one another; along the others they are tied.

    Args:
        axis: the joined axis, where the layer names none.
    """

    def __init__(self, axis: int = 0) -> None:
        self._axis = axis

    def channels(self, call: Call, trace: Trace) -> None:
        weightless(call, "stack")
        if getattr(call.layer, "axis", 0) is None:
            trace.lock_all(call, "joined without an axis, the batch's too")
            return
        output, axes = call.outputs[0], [trace.axes(tensor) for tensor in call.data]
        joined = self._joined(call) % len(output.shape)
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

    def _joined(self, call: Call) -> int:
        axis = getattr(call.layer, "axis", self._axis)
        return self._axis if axis is None else axis


class NewAxis(Weightless):
    """stack: the inputs' channels are tied, and lie one axis further on where the new axis comes before."""

    def channels(self, call: Call, trace: Trace) -> None:
        output = call.outputs[0]
        new = call.layer.axis % len(output.shape)
        trace.give(output, None, call)
        axes = [trace.axes(tensor) for tensor in call.data]
        for axis in sorted({axis for held in axes for axis in held}):
            known = [held[axis] for held in axes if axis in held]
            if len(known) < len(axes):
                for array in known:
                    trace.lock(array, f"{call.path} stacks them on what is no channel")
                continue
            trace.tie(*known)
            trace.give(output, known[0], call, axis + (axis >= new))


class Contract(Weightless):
    """einsum, matmul and their like: a letter of the output carries its channels.

    A summed one locks them, unless a masked channel of one of the factors is known to be zero.
    """

    def channels(self, call: Call, trace: Trace) -> None:
        output, (operands, letters, out) = call.outputs[0], contraction(call)
        trace.give(output, None, call)
        for letter in dict.fromkeys("".join(letters)):
            known, open_ = [], False
            for operand, own in zip(operands, letters, strict=True):
                for axis in (axis for axis, other in enumerate(own) if other == letter):
                    array = trace.channels(operand, axis) if isinstance(operand, keras.KerasTensor) else None
                    open_ |= own.count(letter) > 1 or (array is None and operand.shape[axis] not in (1, None))
                    known += [] if array is None else [array]
            lengths = {len(array) for array in known}
            holders = [operand for operand, own in zip(operands, letters, strict=True) if letter in own]
            zeros = [operand for operand in holders if zero_if_masked(trace, operand)]
            if letter not in out and zeros and not open_ and len(lengths) == 1:
                trace.tie(*known)
                trace.needs_zero(known[0])
                continue
            if known and letter in out and not open_ and lengths == {output.shape[out.index(letter)]}:
                trace.tie(*known)
                trace.give(output, known[0], call, out.index(letter))
                continue
            why = "combines them with what is no channel" if letter in out else "sums over channels"
            for array in known:
                trace.lock(array, f"{call.path} {why}")

    def macs(self, call: Call, sizes: Any) -> int | None:
        operands, letters, _ = contraction(call)
        if len(operands) > 2:  # their number depends on the order of the products
            return None
        lengths: dict[str, int] = {}
        for operand, own in zip(operands, letters, strict=True):
            for axis, letter in enumerate(own):
                length = operand.shape[axis]
                if isinstance(operand, keras.KerasTensor):
                    length = sizes(operand) // max(sizes.positions(operand, axis), 1)
                lengths[letter] = max(length, lengths.get(letter, 1))
        return math.prod(lengths.values()) if len(operands) == 2 else 0


class Gated(Weightless):
    """glu: the second half of an axis gates the first; both halves live or die together."""

    def channels(self, call: Call, trace: Trace) -> None:
        along = call.layer.axis % len(call.inputs[0].shape)
        trace.give(call.outputs[0], None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            half = len(channels) // 2
            if axis == along:
                trace.tie(channels[:half], channels[half:])
                channels = channels[:half]
            trace.give(call.outputs[0], channels, call, axis)


def contraction(call: Call) -> tuple[list[Any], list[str], str]:
    """The operands of a product over axes, a letter for every axis of each of them, and those of the output."""
    given = [value for value in (*call.args, *call.kwargs.values()) if value is not None]
    operands = [value if isinstance(value, keras.KerasTensor) else _array(value) for value in given]
    ranks, kind = [len(operand.shape) for operand in operands], type(call.layer).__name__
    if kind == "Einsum":
        return operands, *_subscripts(call.layer.subscripts.replace(" ", ""), ranks)
    one, other = string.ascii_lowercase[: ranks[0]], string.ascii_uppercase[: ranks[1]]
    if kind == "Tensordot":
        axes = call.layer.axes
        summed = (range(ranks[0] - axes, ranks[0]), range(axes)) if isinstance(axes, int) else axes
        pairs = list(zip(*(np.atleast_1d(each).tolist() for each in summed), strict=True))
    else:  # the last axis with the last but one; inner: with the last
        pairs = [(-1, -1 if kind == "Inner" or ranks[1] == 1 else -2)] if min(ranks) else []
    batch = min(ranks[0], ranks[1]) - 2 if kind == "Matmul" else 0
    for place in range(batch):  # axes of both, counted from the matrices
        pairs.append((-3 - place, -3 - place))
    for here, there in pairs:
        other = other.replace(other[there], one[here])
    gone = {one[here] for here, _ in pairs[: len(pairs) - max(batch, 0)]}
    out = "".join(dict.fromkeys(letter for letter in one + other if letter not in gone))
    if kind == "Matmul":  # batch axes come first
        first = "".join(letter for letter in other[:-2] if letter not in one)
        out = first + "".join(letter for letter in out if letter not in first)
    return operands, [one, other], out


def _subscripts(text: str, ranks: list[int]) -> tuple[list[str], str]:
    """Letters of an einsum's operands and output; those of an ellipsis are capitals counted from its end."""
    before, _, after = text.partition("->")
    terms = before.split(",")
    most = max(rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True))
    spare = [letter for letter in string.ascii_letters[::-1] if letter not in text][:most]
    if "->" not in text:
        once = sorted(letter for letter in set(before) - set(",.") if before.count(letter) == 1)
        after = ("..." if "..." in before else "") + "".join(once)
    letters = []
    for term, rank in zip(terms, ranks, strict=True):
        count = rank - len(term.replace("...", ""))
        letters.append(term.replace("...", "".join(spare[most - count :])))
    return letters, after.replace("...", "".join(spare))


def constants(call: Call) -> list[np.ndarray]:
    """The numbers and arrays among a call's arguments."""
    found: list[np.ndarray] = []
    waiting = [*call.args, *call.kwargs.values()]
    for value in waiting:
        if _holds_tensors(value):
            waiting += list(value) if isinstance(value, list | tuple) else []
        elif value is not None and not isinstance(value, str | bool):
            found.append(_array(value))
    return found


def _array(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value) if hasattr(value, "shape") else value)


def _holds_tensors(value: Any) -> bool:
    return any(isinstance(leaf, keras.KerasTensor) for leaf in keras.tree.flatten(value))


def _spare(tensor: Any, trace: Trace) -> None:
    if isinstance(tensor, keras.KerasTensor):
        for channels in trace.axes(tensor).values():
            trace.spare(channels)
