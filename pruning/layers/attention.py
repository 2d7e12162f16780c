"""Attention: with projections, multi-head and grouped, of vectors as they are, and the raw operation."""

import math
from typing import Any, ClassVar

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.dense import place_axis
from pruning.layers.layer_rule import Kept, LayerRule, Locked, sum_over

_ARGUMENTS = ("query", "value", "key", "query_mask", "value_mask", "key_mask", "attention_mask")


class MultiHeadAttention(LayerRule):
    """MultiHeadAttention: its projections read what comes in; heads, the channels of values and the output may go.

    A head whose values are zero adds nothing, whatever it attends to. The channels of keys stay: the layer divides the
    scores by the root of their number.
    """

    def channels(self, call: Call, trace: Trace) -> None:
        layer, output = call.layer, call.outputs[0]
        query, value, key = (_arguments(call)[name] for name in _ARGUMENTS[:3])
        asking, holding, values = self._heads(call, trace)
        made = trace.make(call, output.shape[-1])
        trace.give(output, made, call)
        self._tie_output(call, trace, made, trace.channels(query))
        context = keras.KerasTensor((1, *layer._output_dense.kernel.shape[:2]), output.dtype)
        trace.give(context, asking, axis=1)
        trace.give(context, values, axis=2)
        call.inner = [Call(layer._output_dense, call.path, call.part, (context,), {}, [context], [output])]
        for scores in call.outputs[1:]:
            trace.lock(asking, f"{call.path} gives their scores")
            trace.give(scores, None, call)
        mask = _arguments(call)["attention_mask"]
        if mask is not None and len(mask.shape) > len(query.shape) and mask.shape[-3] != 1:
            trace.lock(asking, f"{call.path} has a mask for each of them")
        if any(part.quantization_mode for part in _projections(layer)):
            why = "quantised: prune first, then quantise"
            trace.lock_all(call, why)
            for channels in (asking, values, made):
                trace.lock(channels, why)
            trace.unknown[f"{call.path!r} ({type(layer).__name__})"] = why
            return
        for name, source, heads, inside in (
            ("query", query, asking, None), ("key", key, holding, None),
            ("value", value, holding, values), ("gate", query, asking, values),
        ):  # fmt: skip
            part = getattr(layer, f"_{name}_dense", None)
            if part is not None:
                trace.kernel(call, part.kernel)
                place_axis(call, trace, part, -3, "reads", trace.channels(source))
                _place_made(call, trace, part, -2, heads)
                _place_made(call, trace, part, -1, inside)
        last = layer._output_dense
        trace.kernel(call, last.kernel)
        place_axis(call, trace, last, -len(last.kernel.shape), "reads", asking)
        place_axis(call, trace, last, 1 - len(last.kernel.shape), "reads", values)
        _place_made(call, trace, last, -1, made, folds=True)

    def _heads(self, call: Call, trace: Trace) -> tuple[Any, Any, Any]:
        """Heads of queries, heads of keys and values, channels of values."""
        heads = trace.make(call, call.layer.num_heads, "heads")
        return heads, heads, trace.make(call, call.layer.value_dim, "values")

    def _tie_output(self, call: Call, trace: Trace, made: Any, asking: Any) -> None:
        """State how the channels that come out depend on those of the query."""

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        self._narrow_heads(config, *(kept(call.inner[0].inputs[0], axis) for axis in (1, 2)))
        query, stays = _arguments(call)["query"], kept(call.outputs[0])
        if "output_shape" in config and stays is not None:
            asked, left = kept(query), int(stays.sum())
            stated = config["output_shape"]
            if stated is not None or left != (query.shape[-1] if asked is None else int(asked.sum())):
                config["output_shape"] = (*(stated or (0,))[:-1], left)

    def _narrow_heads(self, config: dict, heads: Any, values: Any) -> None:
        config["num_heads"] = int(heads.sum())
        config["value_dim"] = int(values.sum())

    def macs(self, call: Call, sizes: Any) -> int:
        layer, (query, value, key) = call.layer, (_arguments(call)[name] for name in _ARGUMENTS[:3])
        context = call.inner[0].inputs[0]
        heads, values, keys = sizes.length(context, 1), sizes.length(context, 2), layer._query_dense.kernel.shape[-1]
        holding = heads * layer._key_dense.kernel.shape[-2] // layer._query_dense.kernel.shape[-2]
        asked, held = sizes.positions(query), sizes.positions(value)
        attended = math.prod(value.shape[axis] for axis in getattr(layer, "_attention_axes", (1,)))
        gates = hasattr(layer, "_gate_dense") * values
        projected = asked * heads * sizes.length(query) * (keys + gates)
        projected += held * holding * (sizes.length(key) * keys + sizes.length(value) * values)
        return projected + asked * heads * attended * (keys + values) + heads * values * sizes(call.outputs[0])


class GroupedQueryAttention(MultiHeadAttention):
    """GroupQueryAttention: a head of keys and values goes with all the heads of queries that attend to it.

    The channels of heads stay, because the scores are divided by the root of their number; and the output is as wide as
    the query, position by position.
    """

    def _heads(self, call: Call, trace: Trace) -> tuple[Any, Any, Any]:
        holding = trace.make(call, call.layer.num_key_value_heads, "heads")
        return np.repeat(holding, call.layer.num_repeats), holding, None

    def _tie_output(self, call: Call, trace: Trace, made: Any, asking: Any) -> None:
        if asking is None:
            trace.lock(made, f"{call.path} is as wide as its query, whose channels are not known")
        trace.tie(made, asking)

    def _narrow_heads(self, config: dict, heads: Any, values: Any) -> None:
        before = config["num_query_heads"]
        config["num_query_heads"] = int(heads.sum())
        config["num_key_value_heads"] = config["num_key_value_heads"] * config["num_query_heads"] // before


class VectorAttention(LayerRule):
    """Attention and AdditiveAttention: scores sum over the channels of queries and keys; those of values come out."""

    carries: ClassVar = {"scale": -1}

    def channels(self, call: Call, trace: Trace) -> None:
        query, value, key = _vectors(call)
        asked, held = trace.channels(query), trace.channels(key)
        for tensor in (query, key):
            sum_over(call, trace, tensor)
        if asked is None or held is None:
            for channels in (asked, held):
                trace.lock(channels, f"{call.path} scores them with what is no channel")
        trace.tie(asked, held)
        scale = getattr(call.layer, "scale", None)
        if scale is not None and len(scale.shape):
            trace.slice(call, "carries", scale, -1, asked)
        for output in call.outputs:
            trace.give(output, None, call)
        trace.give(call.outputs[0], trace.channels(value), call)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        pass

    def macs(self, call: Call, sizes: Any) -> int:
        query, value, key = _vectors(call)
        return sizes.positions(query) * value.shape[1] * (sizes.length(key) + sizes.length(value))


def _vectors(call: Call) -> tuple[Any, Any, Any]:
    """Query, value and key."""
    query, value, *key = call.args[0] if call.args else call.kwargs["inputs"]
    return query, value, key[0] if key else value


def _arguments(call: Call) -> dict[str, Any]:
    """What the layer is called with, by name; the key is the value, where none is given."""
    found = dict.fromkeys(_ARGUMENTS) | dict(zip(_ARGUMENTS, call.args, strict=False)) | call.kwargs
    return found | {"key": found["value"] if found["key"] is None else found["key"]}


def _projections(layer: Any) -> list[Any]:
    every = [getattr(layer, f"_{name}_dense", None) for name in ("query", "key", "value", "gate", "output")]
    return [part for part in every if part is not None]


def _place_made(call: Call, trace: Trace, part: Any, axis: int, channels: Any, folds: bool = False) -> None:
    """The axis of a projection's kernel and bias that makes channels."""
    place_axis(call, trace, part, axis, "makes", channels, folds)
    trace.slice(call, "makes", part.bias, axis, channels, kernel=False)


class RawAttention(Locked):
    """dot_product_attention of (B, T, heads, size) tensors, kept whole: queries with keys, and the weighted values."""

    def macs(self, call: Call, sizes: Any) -> int:
        query, key = call.inputs[:2]
        return 2 * sizes(query) * int(key.shape[1])
