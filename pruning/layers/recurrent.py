"""Recurrent layers: LSTM, GRU, SimpleRNN."""

from typing import Any

from pruning.graph.walk import Call
from pruning.layers.layer_rule import Locked


class Recurrent(Locked):
    """One layer of recurrence, kept whole."""

    def macs(self, call: Call, sizes: Any) -> int:
        matrices = [variable for variable in call.layer.weights if len(variable.shape) > 1]
        return sizes.positions(call.inputs[0]) * sum(sizes(matrix) for matrix in matrices)
