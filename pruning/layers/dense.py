"""Dense layers."""

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.convolutions import place_kernel
from pruning.layers.layer_rule import LayerRule, activate


class Dense(LayerRule):
    """Dense: reads and makes on the last axis; channels on the others pass by."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        made = trace.make(call, layer.units)
        place_kernel(call, trace, "kernel", trace.channels(source), made)
        trace.slice(call, "makes", layer.bias if layer.use_bias else None, -1, made)
        activate(call, trace, made)
        trace.give(output, made, call)
        for axis, channels in trace.axes(source).items():
            if axis != len(source.shape) - 1:
                trace.give(output, channels, call, axis)
