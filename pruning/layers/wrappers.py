"""Layers around layers: TimeDistributed, SpectralNormalization, RNN, Bidirectional. The inner layer's class answers."""

from typing import Any

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, LayerRule, weight
from pruning.layers.recurrent import Cell, Recurrent, begin_with, unit_axis


class Wrapped(LayerRule):
    """A layer around one other: its MACs, and its config, hold those of the other."""

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        config["layer"] = narrow_inner(config["layer"], call.inner[0], kept)

    def macs(self, call: Call, sizes: Any) -> int | None:
        return call.inner[0].rule.macs(call.inner[0], sizes)


class TimeDistributed(Wrapped):
    """TimeDistributed: the inner layer at every step; its axes are one further out."""

    def channels(self, call: Call, trace: Trace) -> None:
        source, output = call.inputs[0], call.outputs[0]
        inside, out = _tensor(source, 1), _tensor(output, 1)
        trace.same(inside, source)
        for axis, channels in trace.axes(source).items():
            if axis == 1:
                trace.lock(channels, f"{call.path} takes them for steps")
            else:
                trace.give(inside, channels, axis=axis - 1)
        trace.inner(call, call.layer.layer, [inside], [out])
        trace.same(output, out)
        trace.give(output, None)
        for axis, channels in trace.axes(out).items():
            trace.give(output, channels, axis=axis + 1)

    def macs(self, call: Call, sizes: Any) -> int | None:
        once = super().macs(call, sizes)
        return once * call.inputs[0].shape[1] if once else once


class SpectralNormalization(Wrapped):
    """SpectralNormalization: the inner layer; zeros add nothing to the norm that its kernel is divided by."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer = call.layer
        trace.inner(call, layer.layer, call.inputs, call.outputs)
        kernel = weight(layer.layer, "kernel" if hasattr(layer.layer, "kernel") else "embeddings")
        columns = trace.slices.get((id(kernel), -1))
        if columns is not None:
            trace.slice(call, "carries", layer.vector_u, -1, columns.channels, zero=False)


class RNN(LayerRule):
    """RNN: a cell, or several one after another, at every step; the cell's own class answers."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source = call.layer, call.inputs[0]
        step, out = _tensor(source, 1), keras.KerasTensor((source.shape[0], call.outputs[0].shape[-1]), source.dtype)
        trace.give(step, trace.channels(source))
        inner = trace.inner(call, layer.cell, [step], [out])
        cells = inner.inner or [inner]
        if not all(isinstance(cell.rule, Cell) for cell in cells):
            why = "a cell that is no LSTMCell, GRUCell or SimpleRNNCell"
            trace.lock_all(call, why)
            for cell in cells:
                trace.lock(trace.channels(cell.outputs[0]), f"{why} ({call.path})")
            return
        made = [trace.axes(cell.outputs[0])[1] for cell in cells]
        states = [own for own, cell in zip(made, cells, strict=True) for _ in _state_sizes(cell.layer)]
        for tensor, own in zip(call.data[1:], states, strict=False):
            begin_with(call, trace, tensor, -1, own)
        for variable, own in zip(keras.tree.flatten(layer.states or []), states, strict=False):
            trace.slice(call, "carries", variable, -1, own, kernel=False)
        for output, own in zip(call.outputs, [made[-1], *states], strict=False):
            trace.give(output, own, call)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        config["cell"] = narrow_inner(config["cell"], call.inner[0], kept)

    def macs(self, call: Call, sizes: Any) -> int | None:
        once = call.inner[0].rule.macs(call.inner[0], sizes)
        return once * call.inputs[0].shape[1] if once else once


class StackedCells(LayerRule):
    """StackedRNNCells: each cell reads what the one before it made."""

    def channels(self, call: Call, trace: Trace) -> None:
        tensor = call.inputs[0]
        for cell in call.layer.cells:
            out = keras.KerasTensor((tensor.shape[0], _state_sizes(cell)[0]), tensor.dtype)
            tensor = trace.inner(call, cell, [tensor], [out]).outputs[0]
        trace.give(call.outputs[0], trace.channels(tensor), call)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        pairs = zip(config["cells"], call.inner, strict=True)
        config["cells"] = [narrow_inner(cell, inner, kept) for cell, inner in pairs]

    def macs(self, call: Call, sizes: Any) -> int | None:
        return _together(call.inner, sizes)


class Bidirectional(LayerRule):
    """Bidirectional: two recurrent layers, whose channels follow one another or are tied, by `merge_mode`."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, states, made = call.layer, call.data[1:], []
        ways = (layer.forward_layer, layer.backward_layer)
        if not all(isinstance(trace.rules.of(way), Recurrent) for way in ways):
            trace.lock_all(call, "both ways of a layer that is no LSTM, GRU, SimpleRNN or ConvLSTM")
            return
        half, merged = len(states) // 2, 2 if layer.merge_mode is None else 1
        after = (len(call.outputs) - merged) // 2
        for number, way in enumerate(ways):
            units = trace.rules.of(way).units(way)
            axis = unit_axis(way, way.return_sequences)
            shape = list(call.outputs[0].shape)
            shape[axis] = units
            out = keras.KerasTensor(tuple(shape), call.outputs[0].dtype)
            mine = states[half * number :][:half]
            ends = call.outputs[merged + after * number :][:after]
            trace.inner(call, way, [call.inputs[0], *mine], [out, *ends])
            made.append(trace.axes(out)[axis % len(shape)])
        if layer.merge_mode == "concat":
            trace.give(call.outputs[0], np.concatenate(made), call, axis)
        else:
            if layer.merge_mode is not None:
                trace.tie(*made)
            for output, channels in zip(call.outputs[:merged], made, strict=False):  # one output, or one for each way
                trace.give(output, channels, call, axis)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        for key, inner in zip(("layer", "backward_layer"), call.inner, strict=False):  # none, if it is kept whole
            if config.get(key):
                config[key] = narrow_inner(config[key], inner, kept)

    def macs(self, call: Call, sizes: Any) -> int | None:
        return _together(call.inner, sizes)


def narrow_inner(serialised: dict, inner: Call, kept: Kept) -> dict:
    """A serialised inner layer, narrowed."""
    config = dict(serialised["config"])
    inner.rule.narrow(config, inner, kept)
    return {key: value for key, value in serialised.items() if key != "build_config"} | {"config": config}


def _tensor(like: Any, without: int | None = None) -> Any:
    shape = [length for axis, length in enumerate(like.shape) if axis != without]
    return keras.KerasTensor(tuple(shape), like.dtype)


def _state_sizes(cell: Any) -> list[int]:
    """Number of channels of each state of a cell."""
    return list(keras.tree.flatten(cell.state_size))


def _together(calls: list[Call], sizes: Any) -> int | None:
    every = [inner.rule.macs(inner, sizes) for inner in calls]
    return sum(every) if every and None not in every else None
