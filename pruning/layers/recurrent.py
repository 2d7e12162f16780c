"""Recurrent layers: LSTM, GRU, SimpleRNN. A unit is one position of every gate."""

from typing import Any

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import LayerRule, activate


class Recurrent(LayerRule):
    """LSTM, GRU, SimpleRNN: kernels are (in, gates x units) and (units, gates x units), gate after gate.

    A unit whose weights are zero stays silent, and nothing reads what it may begin with, so that cutting is exact.
    """

    width = "units"

    def channels(self, call: Call, trace: Trace) -> None:
        layer, cell = call.layer, call.layer.cell
        made = trace.make(call, layer.units)
        gates = np.tile(made, cell.kernel.shape[-1] // layer.units)
        trace.slice(call, "reads", cell.kernel, -2, trace.channels(call.inputs[0]))
        trace.slice(call, "makes", cell.kernel, -1, gates)
        trace.slice(call, "reads", cell.recurrent_kernel, -2, made)
        trace.slice(call, "makes", cell.recurrent_kernel, -1, gates)
        trace.slice(call, "makes", cell.bias if layer.use_bias else None, -1, gates, kernel=False)
        activate(call, trace, made)
        activate(call, trace, made, "recurrent_activation")
        self._states(call, trace, made)
        for output in call.outputs:
            trace.give(output, made, call)

    def _states(self, call: Call, trace: Trace, made: np.ndarray) -> None:
        """Tie the states that it is called with, and those that it keeps."""
        for tensor in call.data[1:]:
            channels = trace.channels(tensor)
            if channels is None:
                trace.lock(made, f"{call.path} begins with a state whose channels are not known")
            trace.tie(made, channels)
        if call.layer.stateful:
            for state in call.layer.states or []:
                trace.slice(call, "carries", state, -1, made, kernel=False)

    def macs(self, call: Call, sizes: Any) -> int:
        cell = call.layer.cell
        return sizes.positions(call.inputs[0]) * (sizes(cell.kernel) + sizes(cell.recurrent_kernel))
