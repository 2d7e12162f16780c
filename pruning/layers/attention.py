"""Attention: multi-head and grouped, and of vectors as they are."""

import math
from typing import Any

from pruning.graph.walk import Call
from pruning.layers.layer_rule import Locked


class MultiHeadAttention(Locked):
    """MultiHeadAttention and GroupedQueryAttention, kept whole: four projections and two products of them."""

    def macs(self, call: Call, sizes: Any) -> int:
        layer, query = call.layer, call.data[0]
        source = call.data[1] if len(call.data) > 1 else query
        kernels = {w.path.split("/")[-2]: math.prod(w.shape) for w in layer.weights if w.name == "kernel"}
        of_source = sum(size for name, size in kernels.items() if name in ("key", "value"))
        heads, key, value = layer_heads(layer)
        asked, held = sizes.positions(query), sizes.positions(source)
        products = asked * (held // (source.shape[0] or 1)) * heads * (key + value)
        return asked * (sum(kernels.values()) - of_source) + held * of_source + products


class VectorAttention(Locked):
    """Attention and AdditiveAttention, kept whole: a score of every query with every key, and the weighted values."""

    def macs(self, call: Call, sizes: Any) -> int:
        query, value = call.data[:2]
        key = call.data[2] if len(call.data) > 2 else value
        pairs = sizes.positions(query) * (sizes.positions(value) // (value.shape[0] or 1))
        return pairs * (key.shape[-1] + value.shape[-1])


def layer_heads(layer: Any) -> tuple[int, int, int]:
    """Number of query heads, size of a key, size of a value."""
    config = layer.get_config()
    if "num_heads" in config:
        return config["num_heads"], config["key_dim"], config["value_dim"]
    return config["num_query_heads"], config["head_dim"], config["head_dim"]
