"""What a layer type does to channels: the registry, and the rules that have a name.

A rule is a function `rule(call, trace)` (see `pruning.graph.trace`). A layer class may state its own by the class
attribute `channel_rule`; for others there is `pruning.register`. A type without a rule is an error, never a
guess.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call

Rule = Callable[[Call, Trace], None]

_RULES: dict[Any, Rule] = {}


def register(kind: Any, rule: str | Rule | type) -> None:
    """State what a layer type does to channels.

    Args:
        kind: layer class, or an activation function; for Keras's raw operations a string such as
            "keras.ops.numpy.Add".
        rule: one of
            "keep"   every channel comes out where it went in (pooling, padding, an element-wise function;
                     several inputs of the output's rank and width are tied, others are not channels);
            "tie"    element-wise over several inputs, with broadcasting;
            "stack"  concatenation along the layer's `axis`;
            "spread" flattening: copies for every position;
            "lock"   whatever goes in and comes out is never pruned;
            a function `rule(call, trace)`; or a layer class that behaves the same.
    """
    _RULES[kind] = _named(rule)


def rule_of(call: Call) -> Rule:
    """The rule for a call.

    Raises:
        ValueError: nothing is known about the layer's type; names the layer and the registering call.
    """
    kind = type(call.layer)
    stated = getattr(call.layer, "channel_rule", None)
    if stated is not None:
        return _named(stated)
    if kind in _RULES:
        return _RULES[kind]
    name = f"{kind.__module__}.{kind.__qualname__}".replace("keras.src.", "keras.")
    if name in _RULES:
        return _RULES[name]
    if kind.__module__.split(".")[0] == "keras":
        exported = getattr(keras.layers, kind.__name__, None) is kind  # raw operations and some models' layers are not
        handle = f"keras.layers.{kind.__name__}" if exported else f'"{name}"'
    else:
        handle = kind.__name__
    raise ValueError(
        f"layer {call.path!r}: it is not known what a {kind.__name__} does to channels. State it with "
        f'pruning.register({handle}, "keep") (or "tie", "stack", "spread", "lock", or a rule function), '
        "or by a class attribute channel_rule"
    )


def rule_of_function(function: Any) -> Rule | None:
    """The rule registered for an activation function, or None."""
    try:
        return _RULES.get(function)
    except TypeError:  # unhashable
        return None


def _named(rule: Any) -> Rule:
    if isinstance(rule, str):
        if rule not in NAMED:
            raise ValueError(
                f"channel rule {rule!r} is not known; expected one of {', '.join(NAMED)}, or a function"
            )
        return NAMED[rule]
    if isinstance(rule, type):
        if rule not in _RULES:
            raise ValueError(
                f"no rule is registered for {rule.__name__}, so it cannot serve as a model for another"
            )
        return _RULES[rule]
    if not callable(rule):
        raise TypeError(f"a channel rule is a name, a function or a layer class; got {rule!r}")
    return rule


def _weightless(call: Call, name: str) -> None:
    if getattr(call.layer, "weights", None):
        raise ValueError(
            f'layer {call.path!r} has weights, which the rule "{name}" does not place on channels: write a '
            'function rule(call, trace) that calls trace.slice(call, "carries", variable, axis, channels)'
        )


def keep(call: Call, trace: Trace) -> None:
    """Channels come out where they went in."""
    _weightless(call, "keep")
    output = call.outputs[0]
    width = output.shape[-1]
    if len(call.inputs) == 1:
        channels = trace.channels(call.inputs[0])
        if channels is not None and len(channels) == width:
            trace.give(output, channels, call)
            return
        trace.lock(channels, f"{call.path} changes the number of channels")
        trace.opaque(call, output, f"made by {call.path}")
        return
    kept = []
    for tensor in call.inputs:
        channels = trace.channels(tensor)
        if len(tensor.shape) == len(output.shape) and channels is not None and len(channels) == width:
            kept.append(channels)
        else:
            trace.lock(channels, f"{call.path} reads them as numbers")
    if not kept:
        raise ValueError(f"layer {call.path!r}: none of its inputs has the {width} channels of its output")
    trace.tie(*kept)
    trace.give(output, kept[0], call)


def tie(call: Call, trace: Trace) -> None:
    """Element-wise over several inputs: equal positions are tied; a width of 1 broadcasts."""
    _weightless(call, "tie")
    output = call.outputs[0]
    width = output.shape[-1] if output.shape else None
    tied = []
    for tensor in call.inputs:
        channels = trace.channels(tensor)
        if channels is not None and len(channels) == width:
            tied.append(channels)
        else:
            trace.lock(channels, f"{call.path} broadcasts it over channels")
    for array in _constants(call):
        if array.ndim and array.shape[-1] > 1:
            for channels in tied:
                trace.lock(channels, f"{call.path} combines them with a constant per channel")
    trace.tie(*tied)
    if tied:
        trace.give(output, tied[0], call)
    else:
        trace.opaque(call, output, f"made by {call.path}")


def stack(call: Call, trace: Trace) -> None:
    """Concatenation: along the last axis channels follow one another; along another they are tied."""
    _weightless(call, "stack")
    output = call.outputs[0]
    axis = call.layer.axis
    arrays = [trace.channels(tensor) for tensor in call.inputs]
    if axis not in (-1, len(output.shape) - 1):
        trace.tie(*arrays)
        trace.give(output, arrays[0], call)
    elif len(known := [array for array in arrays if array is not None]) < len(arrays):
        for array in known:
            trace.lock(array, f"{call.path} joins them with channels that are not known")
        trace.opaque(call, output, f"made by {call.path}")
    else:
        trace.give(output, np.concatenate(known), call)


def spread(call: Call, trace: Trace) -> None:
    """Flatten (channels last): every channel appears once for each position."""
    _weightless(call, "spread")
    output, channels = call.outputs[0], trace.channels(call.inputs[0])
    width = output.shape[-1]
    if channels is None or width is None or width % len(channels):
        trace.lock(channels, f"{call.path} mixes channels and positions")
        trace.opaque(call, output, f"made by {call.path}")
        return
    trace.give(output, np.tile(channels, width // len(channels)), call)


def locked(reason: str) -> Rule:
    """A rule: whatever goes in and comes out is never pruned, for `reason`."""

    def lock(call: Call, trace: Trace) -> None:
        why = f"{reason} ({call.path})"
        for tensor in call.inputs:
            trace.lock(trace.channels(tensor), why)
        for output in call.outputs:
            trace.opaque(call, output, why)

    return lock


def _constants(call: Call) -> list[np.ndarray]:
    leaves = keras.tree.flatten((call.args, call.kwargs))
    found = []
    for leaf in leaves:
        if leaf is None or isinstance(leaf, keras.KerasTensor | str | bool):
            continue
        found.append(np.asarray(keras.ops.convert_to_numpy(leaf) if hasattr(leaf, "shape") else leaf))
    return found


NAMED: dict[str, Rule] = {
    "keep": keep,
    "tie": tie,
    "stack": stack,
    "spread": spread,
    "lock": locked("declared locked"),
}
