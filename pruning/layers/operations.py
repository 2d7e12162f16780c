"""Raw operations of a Functional graph (keras.ops) that no layer stands for."""

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, Weightless


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


class Split(Weightless):
    """split: along the split axis every output has the channels of its positions, and keeps at least one of them."""

    def channels(self, call: Call, trace: Trace) -> None:
        source = call.inputs[0]
        along = call.layer.axis % len(source.shape)
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
        every = [kept(output, call.layer.axis) for output in call.outputs]
        stays = [piece for piece in every if piece is not None]
        if len(stays) == len(every) and not all(piece.all() for piece in stays):
            ends = np.cumsum([int(piece.sum()) for piece in stays])
            config["indices_or_sections"] = [int(end) for end in ends[:-1]]
