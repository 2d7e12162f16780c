"""Raw operations of a Functional graph (keras.ops) that no layer stands for."""

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Weightless


class Reduce(Weightless):
    """mean, sum, max, min: over positions channels pass; what is reduced itself is locked."""

    def channels(self, call: Call, trace: Trace) -> None:
        source, output, rank = call.inputs[0], call.outputs[0], len(call.inputs[0].shape)
        axis = call.layer.axis
        over = set(range(rank)) if axis is None else {int(a) % rank for a in np.atleast_1d(axis)}
        if rank - 1 not in over:
            trace.give(output, None, call)
        for place, channels in trace.axes(source).items():
            if place in over:
                trace.lock(channels, f"{call.path} reduces over channels")
                continue
            shift = 0 if call.layer.keepdims else sum(other < place for other in over)
            trace.give(output, channels, call, place - shift)
