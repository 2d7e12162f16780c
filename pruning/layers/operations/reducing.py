"""Reductions, and operations along an axis that stays."""

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Weightless, axes_of, sum_over


class Reduce(Weightless):
    """mean, sum, max, min: over positions channels pass; what is reduced itself is locked.

    Args:
        root: whether it has no gradient where everything is zero (a norm, a standard deviation).
        adds: whether zeros add nothing to it.
    """

    def __init__(self, root: bool = False, adds: bool = False) -> None:
        self._root, self._adds = root, adds

    def channels(self, call: Call, trace: Trace) -> None:
        source, rank = call.inputs[0], len(call.inputs[0].shape)
        over = set(range(rank)) if (axes := axes_of(call.layer)) is None else {axis % rank for axis in axes}
        for output in call.outputs:
            if rank - 1 not in over:
                trace.give(output, None, call)
            for place, channels in trace.axes(source).items():
                if place in over and self._adds:
                    sum_over(call, trace, source, place)
                    continue
                if place in over:
                    trace.lock(channels, f"{call.path} reduces over channels")
                    continue
                if self._root:
                    trace.spare(channels)
                keeps = getattr(call.layer, "keepdims", False)
                trace.give(output, channels, call, place - (0 if keeps else sum(other < place for other in over)))


class Along(Weightless):
    """Sums, sorting, norms along an axis that stays: other axes' channels pass, its own are locked.

    Args:
        axes: those it looks along, where the operation names none.
    """

    def __init__(self, axes: tuple[int, ...] | None = None) -> None:
        self._axes = axes

    def channels(self, call: Call, trace: Trace) -> None:
        rank = len(call.inputs[0].shape)
        along = self._axes or axes_of(call.layer) or range(rank)
        for output in call.outputs:
            trace.give(output, None, call)
            for place, channels in trace.axes(call.inputs[0]).items():
                if place in {axis % rank for axis in along}:
                    trace.lock(channels, f"{call.path} looks along channels")
                if place < len(output.shape) and output.shape[place] == len(channels):
                    trace.give(output, channels, call, place)
