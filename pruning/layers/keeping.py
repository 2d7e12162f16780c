"""Layers whose channels come out where they went in: pooling, padding, noise, element-wise functions."""

from typing import Any, ClassVar

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Weightless, channel_axis


class Keep(Weightless):
    """Channels come out where they went in; the channel axis is that of the layer's `data_format`.

    Several inputs of an output's rank and width are tied; others are no channels: they are locked.
    """

    width = "output_shape"  # of a Lambda

    def channels(self, call: Call, trace: Trace) -> None:
        weightless(call, "keep")
        for output in call.outputs:
            self._keep(call, trace, output)

    def _keep(self, call: Call, trace: Trace, output: Any) -> None:
        axis = channel_axis(call.layer, output)
        width = output.shape[axis] if output.shape else None
        kept = []
        for tensor in call.data:
            at = channel_axis(call.layer, tensor)
            channels = trace.channels(tensor, at)
            for place, other in trace.axes(tensor).items():
                if place != at:
                    trace.lock(other, f"{call.path} takes axis {at} for the channels', and these lie on axis {place}")
            alone = len(call.data) == 1 or len(tensor.shape) == len(output.shape)
            if alone and channels is not None and len(channels) == width:
                kept.append(channels)
            else:
                why = "changes the number of channels" if len(call.data) == 1 else "reads them as numbers"
                trace.lock(channels, f"{call.path} {why}")
        if len(call.data) > 1 and not kept and len(call.outputs) == 1:
            raise ValueError(f"layer {call.path!r}: none of its inputs has the {width} channels of its output")
        if kept:
            trace.tie(*kept)
            trace.give(output, kept[0], call, axis)


class Elementwise(Weightless):
    """One input, every number alone: channels pass on whatever axis they lie."""

    divides: ClassVar[bool] = False  # whether zero gives infinity or NaN

    def channels(self, call: Call, trace: Trace) -> None:
        weightless(call, "keep")
        source, output = call.inputs[0], call.outputs[0]
        trace.give(output, None, call)
        for axis, channels in trace.axes(source).items():
            trace.give(output, channels, call, axis)
            if self.divides:
                trace.spare(channels)
        for other in call.data[1:]:
            for channels in trace.axes(other).values():
                trace.lock(channels, f"{call.path} reads them as numbers")


class NotOfZero(Elementwise):
    """Element-wise functions that are not finite at zero: reciprocal, logarithm, rsqrt."""

    divides = True


def weightless(call: Call, name: str) -> None:
    """Raise ValueError where a rule that places no weights is stated for a layer that has some."""
    if getattr(call.layer, "weights", None):
        raise ValueError(
            f'layer {call.path!r} has weights, which the rule "{name}" does not place on channels: register a class '
            "derived from pruning.LayerRule, whose `makes`, `reads` and `carries` name them"
        )
