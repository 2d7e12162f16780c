"""Embeddings of integers."""

from typing import Any

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.layer_rule import Kept, LayerRule, narrowed, weight


class Embedding(LayerRule):
    """Embedding: a table (numbers, channels), looked up: nothing is multiplied, and its mask looks at the numbers."""

    width = "output_dim"

    def channels(self, call: Call, trace: Trace) -> None:
        made = trace.make(call, call.layer.output_dim)
        self._place(call, trace, "makes", made)
        trace.give(call.outputs[0], made, call)

    def _place(self, call: Call, trace: Trace, role: str, channels: Any) -> None:
        trace.slice(call, role, weight(call.layer, "embeddings"), -1, channels)
        if call.layer.lora_enabled:
            trace.slice(call, role, call.layer.lora_embeddings_b, -1, channels, kernel=False)

    def macs(self, call: Call, sizes: Any) -> int:
        return 0


class ReversibleEmbedding(Embedding):
    """ReversibleEmbedding: forwards as Embedding; in reverse its table, or a second one, reads the channels.

    In reverse a score for every number comes out, and stays.
    """

    def channels(self, call: Call, trace: Trace) -> None:
        layer = call.layer
        if not _reverse(call):
            super().channels(call, trace)
            return
        made = trace.make(call, layer.output_dim)  # one width for both ways
        channels = trace.channels(call.inputs[0])
        if channels is None:
            trace.lock(made, f"{call.path} reads what is no channel")
        trace.tie(made, channels)
        if layer.tie_weights:
            self._place(call, trace, "makes", made)
        else:
            trace.slice(call, "reads", layer.reverse_embeddings, 0, made)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        stays = kept(call.inputs[0] if _reverse(call) else call.outputs[0])
        if stays is not None:
            config["output_dim"] = narrowed(config["output_dim"], len(stays), int(stays.sum()))

    def macs(self, call: Call, sizes: Any) -> int:
        return sizes(call.inputs[0]) * call.layer.input_dim if _reverse(call) else 0


def _reverse(call: Call) -> bool:
    return bool(call.args[1] if len(call.args) > 1 else call.kwargs.get("reverse", False))
