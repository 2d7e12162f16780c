"""Embeddings of integers."""

from typing import Any

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import LayerRule, weight


class Embedding(LayerRule):
    """Embedding: a table (numbers, channels), looked up: nothing is multiplied, and its mask looks at the numbers."""

    width = "output_dim"

    def channels(self, call: Call, trace: Trace) -> None:
        layer = call.layer
        made = trace.make(call, layer.output_dim)
        trace.slice(call, "makes", weight(layer, "embeddings"), -1, made)
        if layer.lora_enabled:
            trace.slice(call, "makes", layer.lora_embeddings_b, -1, made, kernel=False)
        trace.give(call.outputs[0], made, call)

    def macs(self, call: Call, sizes: Any) -> int:
        return 0
