"""Recurrent layers and their cells. A unit is one position of every gate."""

from typing import Any

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, LayerRule, activate


class Cell(LayerRule):
    """LSTMCell, GRUCell, SimpleRNNCell: one step, inside an RNN layer."""

    width = "units"

    def channels(self, call: Call, trace: Trace) -> None:
        made = trace.make(call, call.layer.units)
        place_gates(call, trace, call.layer, trace.channels(call.inputs[0]), made)
        trace.give(call.outputs[0], made, call)

    def macs(self, call: Call, sizes: Any) -> int:
        cell = call.layer
        return sizes.positions(call.inputs[0]) * (sizes(cell.kernel) + sizes(cell.recurrent_kernel))


class Recurrent(LayerRule):
    """LSTM, GRU, SimpleRNN: kernels are (..., in, gates x units) and (..., units, gates x units), gate after gate.

    A unit whose weights are zero stays silent, and nothing reads what it may begin with, so that cutting is exact.
    """

    width = "units"

    def channels(self, call: Call, trace: Trace) -> None:
        layer = call.layer
        made = trace.make(call, self.units(layer))
        place_gates(call, trace, layer.cell, trace.channels(call.inputs[0], unit_axis(layer, True)), made)
        of_state = unit_axis(layer, False)
        for tensor in call.data[1:]:
            begin_with(call, trace, tensor, of_state, made)
        if layer.stateful:
            for state in layer.states or []:
                trace.slice(call, "carries", state, of_state, made, kernel=False)
        for number, output in enumerate(call.outputs):
            trace.give(output, made, call, of_state if number else unit_axis(layer, layer.return_sequences))

    def units(self, layer: Any) -> int:
        """How many channels the layer makes."""
        return layer.units

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        stays = kept(call.outputs[0], unit_axis(call.layer, call.layer.return_sequences))
        if stays is not None:
            config[self.width] = int(stays.sum())

    def macs(self, call: Call, sizes: Any) -> int:
        cell = call.layer.cell
        return sizes.positions(call.inputs[0]) * (sizes(cell.kernel) + sizes(cell.recurrent_kernel))


class ConvRecurrent(Recurrent):
    """ConvLSTM1D/2D/3D: convolutions in the place of products, so that a unit is a map."""

    width = "filters"

    def units(self, layer: Any) -> int:
        return layer.filters

    def macs(self, call: Call, sizes: Any) -> int:
        layer, output = call.layer, call.outputs[0]
        steps = 1 if layer.return_sequences else call.inputs[0].shape[1]
        where = sizes.positions(output, unit_axis(layer, layer.return_sequences))
        return steps * where * (sizes(layer.cell.kernel) + sizes(layer.cell.recurrent_kernel))


def unit_axis(layer: Any, sequence: bool) -> int:
    """Axis of the channels of a recurrent layer: in a sequence, or in one step or state."""
    first = getattr(layer, "data_format", None) == "channels_first"
    return 1 + sequence if first else -1


def place_gates(call: Call, trace: Trace, cell: Any, channels: Any, made: np.ndarray) -> None:
    """The weights of a cell: its kernel reads what comes in, its recurrent kernel what it made the step before."""
    gates = np.tile(made, cell.kernel.shape[-1] // len(made))
    trace.slice(call, "reads", cell.kernel, -2, channels)
    trace.slice(call, "makes", cell.kernel, -1, gates)
    trace.slice(call, "reads", cell.recurrent_kernel, -2, made)
    trace.slice(call, "makes", cell.recurrent_kernel, -1, gates)
    trace.slice(call, "makes", cell.bias if cell.use_bias else None, -1, gates, kernel=False)
    activate(call, trace, made)
    activate(call, trace, made, "recurrent_activation")


def begin_with(call: Call, trace: Trace, state: Any, axis: int, made: np.ndarray) -> None:
    """A state that a layer is called with has the channels that it makes."""
    channels = trace.channels(state, axis)
    if channels is None:
        trace.lock(made, f"{call.path} begins with a state whose channels are not known")
    trace.tie(made, channels)
