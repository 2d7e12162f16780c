"""Layers around a layer: TimeDistributed, Bidirectional. The inner layer's own class answers."""

from typing import Any

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, LayerRule
from pruning.layers.recurrent import Recurrent


class TimeDistributed(LayerRule):
    """TimeDistributed: the inner layer at every step; its axes are one further out."""

    def channels(self, call: Call, trace: Trace) -> None:
        source, output = call.inputs[0], call.outputs[0]
        inside, out = _tensor(source, 1), _tensor(output, 1)
        for axis, channels in trace.axes(source).items():
            if axis == 1:
                trace.lock(channels, f"{call.path} takes them for steps")
            else:
                trace.give(inside, channels, axis=axis - 1)
        trace.inner(call, call.layer.layer, [inside], [out])
        trace.give(output, None, call)
        for axis, channels in trace.axes(out).items():
            trace.give(output, channels, call, axis + 1)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        config["layer"] = narrow_inner(config["layer"], call.inner[0], kept)

    def macs(self, call: Call, sizes: Any) -> int | None:
        once = call.inner[0].rule.macs(call.inner[0], sizes)
        return once * call.inputs[0].shape[1] if once else once


class Bidirectional(LayerRule):
    """Bidirectional: two recurrent layers, whose channels follow one another or are tied, by `merge_mode`."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, made = call.layer, []
        if not all(isinstance(trace.rules.of(way), Recurrent) for way in (layer.forward_layer, layer.backward_layer)):
            trace.lock_all(call, "both ways of a layer that is no LSTM, GRU or SimpleRNN")
            return
        for way in (layer.forward_layer, layer.backward_layer):
            out = keras.KerasTensor((*call.outputs[0].shape[:-1], way.units), call.outputs[0].dtype)
            trace.inner(call, way, call.inputs[:1], [out])
            made.append(trace.axes(out)[len(out.shape) - 1])
        if len(call.data) > 1 or layer.return_state:
            for channels in made:
                trace.lock(channels, f"states of {call.path}")
            trace.lock_all(call, "both ways with states")
        elif layer.merge_mode == "concat":
            trace.give(call.outputs[0], np.concatenate(made), call)
        else:
            if layer.merge_mode is not None:
                trace.tie(*made)
            for output, channels in zip(call.outputs, made, strict=False):  # one output, or one for each way
                trace.give(output, channels, call)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        for key, inner in zip(("layer", "backward_layer"), call.inner, strict=False):  # none, if it is kept whole
            if config.get(key):
                config[key] = narrow_inner(config[key], inner, kept)

    def macs(self, call: Call, sizes: Any) -> int | None:
        every = [inner.rule.macs(inner, sizes) for inner in call.inner]
        return sum(every) if every and None not in every else None


def narrow_inner(serialised: dict, inner: Call, kept: Kept) -> dict:
    """A serialised inner layer, narrowed."""
    config = dict(serialised["config"])
    inner.rule.narrow(config, inner, kept)
    return {key: value for key, value in serialised.items() if key != "build_config"} | {"config": config}


def _tensor(like: Any, without: int | None = None) -> Any:
    shape = [length for axis, length in enumerate(like.shape) if axis != without]
    return keras.KerasTensor(tuple(shape), like.dtype)
