"""Cost of a model: parameters, multiply-adds and bytes, by layer, part and in total; dense, and without what
is masked.

MACs are those of kernels (convolutions and dense layers): positions x kernel size. Additions of biases,
batch norm, activations and pooling do not count, as in the published figures. A layer that is called several
times (an RPN head on five levels) counts every time; one behind RoIAlign counts for every RoI, because its
batch axis is images x RoIs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.walk import declared_inputs
from pruning.masks.mask_state import silent
from pruning.plans.pruning_plan import Plan


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer: parameters held, multiply-adds of all its calls, bytes held."""

    path: str
    part: str
    params: int
    macs: int
    bytes: int


@dataclass(frozen=True)
class Cost:
    """Cost of a model for the inputs named in `input_shapes`.

    Attributes:
        layers: LayerCost of every layer that has weights.
        input_shapes: input name -> shape counted, batch axis included.
        effective: the same without masked channels, None in an effective cost itself.
    """

    layers: tuple[LayerCost, ...]
    input_shapes: Mapping[str, tuple]
    effective: "Cost | None" = None

    @property
    def params(self) -> int:
        """Numbers held in weights, batch-norm statistics included."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds of one forward pass on inputs of `input_shapes`."""
        return sum(layer.macs for layer in self.layers)

    @property
    def bytes(self) -> int:
        """Bytes of the weights in memory."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def parts(self) -> dict[str, "Cost"]:
        """Part of the model -> its Cost."""
        names = dict.fromkeys(layer.part for layer in self.layers)
        return {
            name: Cost(
                tuple(layer for layer in self.layers if layer.part == name),
                self.input_shapes,
                self.effective.parts.get(name) if self.effective else None,
            )
            for name in names
        }

    def __str__(self) -> str:
        counted = ", ".join(f"{name} {shape}" for name, shape in self.input_shapes.items())
        lines = [f"{'part':<24}{'params':>14}{'MACs':>18}{'bytes':>14}   counted for {counted}"]
        rows = {**self.parts, "total": self}
        for name, cost_ in rows.items():
            lines.append(f"{name:<24}{cost_.params:>14,}{cost_.macs:>18,}{cost_.bytes:>14,}")
            left = cost_.effective
            if left is not None and left.params != cost_.params:
                lines.append(f"{'  unmasked':<24}{left.params:>14,}{left.macs:>18,}{left.bytes:>14,}")
        return "\n".join(lines)


def cost(model: Any, input_shapes: dict[str, tuple] | tuple | None = None, plan: Plan | None = None) -> Cost:
    """Count a model.

    Args:
        model: Functional or Sequential model, or an object with `.network`.
        input_shapes: full shapes by input name, or one for the only input; the batch axis counts. Default:
            the declared shapes with a batch of 1.
        plan: count `effective` as if this plan were applied, instead of what is masked.

    Returns:
        a Cost; `.effective` leaves out masked channels (`pruning.silent`).

    Raises:
        ValueError: an input's size is not known, or a layer's output shape does not follow from it.
    """
    graph = counted(model, input_shapes)
    if plan:
        plan.check(graph)
    gone = {name: plan.gone(name) for name in plan.sizes} if plan else silent(graph)
    return Cost(_count(graph, {}), graph.input_shapes, without(graph, gone))


def counted(model: Any, input_shapes: dict[str, tuple] | tuple | None = None) -> ChannelGraph:
    """The graph of a model on inputs of a known size; arguments as for `cost`."""
    return ChannelGraph(model, _full(model, input_shapes))


def without(graph: ChannelGraph, gone: Mapping[str, np.ndarray]) -> Cost:
    """Cost of a `counted` graph's model without some channels; group -> bool (size,), what goes."""
    alive = graph.alive(gone)
    lost = {}
    for piece in graph.slices:
        count = len(piece.channels) - int(np.count_nonzero(alive[piece.channels]))
        if count:
            lost[id(piece.variable), piece.axis] = count
    return Cost(_count(graph, lost), graph.input_shapes)


def _full(model: Any, shapes: Any) -> Any:
    if shapes is not None:
        return shapes
    found = {}
    for name, shape in declared_inputs(model).items():
        found[name] = (1 if shape[0] is None else shape[0], *shape[1:])
        if None in found[name]:
            raise ValueError(
                f"the size of input {name!r} is not fixed, {shape}: give input_shapes={{{name!r}: ...}}"
            )
    return found


def _size(variable: Any, lost: Mapping[tuple[int, int], int]) -> int:
    rank, key = len(variable.shape), id(variable)
    return math.prod(n - lost.get((key, axis - rank), 0) for axis, n in enumerate(variable.shape))


def _count(graph: ChannelGraph, lost: Mapping[tuple[int, int], int]) -> tuple[LayerCost, ...]:
    macs: dict[int, int] = {}
    for kernel in graph.kernels:
        positions = 0
        for tensor in kernel.applied:
            places = tensor.shape[:-1]
            if None in places:
                raise ValueError(
                    f"layer {kernel.call.path!r} is applied to shape {tuple(tensor.shape)}, whose "
                    "size does not follow from input_shapes: a layer before it needs compute_output_shape"
                )
            positions += math.prod(places)
        key = id(kernel.call.layer)
        macs[key] = macs.get(key, 0) + positions * _size(kernel.variable, lost)
    rows = []
    for call in {id(call.layer): call for call in reversed(graph.calls)}.values():
        weights = getattr(call.layer, "weights", [])
        if not weights:
            continue
        sizes = [_size(weight, lost) for weight in weights]
        rows.append(
            LayerCost(
                call.path,
                call.part,
                sum(sizes),
                macs.get(id(call.layer), 0),
                sum(
                    size * np.dtype(str(weight.dtype).replace("bfloat16", "float16")).itemsize
                    for size, weight in zip(sizes, weights, strict=True)
                ),
            )
        )
    return tuple(reversed(rows))
