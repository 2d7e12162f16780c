"""Cost of a model: parameters, multiply-adds and bytes, by layer, part and in total; dense, and without what
is masked.

MACs are those of products: of kernels (positions x kernel size), of recurrent layers at every step, of attention's
queries with its keys. Additions of biases, batch norm, activations and pooling do not count, as in the published
figures. What cannot be counted is named: the figure is partial then. A layer that is called several
times (an RPN head on five levels) counts every time; one behind RoIAlign counts for every RoI, because its
batch axis is images x RoIs.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.walk import declared_inputs
from pruning.masks.mask_state import silent
from pruning.plans.pruning_plan import Plan


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer: parameters held, multiply-adds of all its calls, bytes held.

    `counted` is False where its multiply-adds cannot be told: `macs` holds those that can.
    """

    path: str
    part: str
    params: int
    macs: int
    bytes: int
    counted: bool = True


@dataclass(frozen=True)
class Cost:
    """Cost of a model for the inputs named in `input_shapes`.

    Attributes:
        layers: LayerCost of every layer that has weights or multiplies.
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
    def uncounted(self) -> tuple[str, ...]:
        """Paths of the layers whose multiply-adds cannot be told; if there are any, `macs` is partial."""
        return tuple(layer.path for layer in self.layers if not layer.counted)

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
        if self.uncounted:
            lines.append(f"MACs are partial: without those of {', '.join(self.uncounted)}")
        return "\n".join(lines)


def cost(model: Any, input_shapes: dict[str, tuple] | tuple | None = None, plan: Plan | None = None) -> Cost:
    """Count a model.

    Args:
        model: Functional or Sequential model, an object with `.network`, or a ChannelGraph of one.
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
    if isinstance(model, ChannelGraph):
        return model.again(input_shapes=_full(model.model, input_shapes))
    return ChannelGraph(model, _full(model, input_shapes), unknown="keep")


def without(graph: ChannelGraph, gone: Mapping[str, np.ndarray]) -> Cost:
    """Cost of a `counted` graph's model without some channels; group -> bool (size,), what goes."""
    return Cost(_count(graph, gone), graph.input_shapes)


class Sizes:
    """How many numbers weights and tensors hold without the channels that go; what `LayerRule.macs` counts with.

    Args:
        graph: of the model.
        gone: group -> bool (size,), what goes.

    Attributes:
        read: a set that names of groups are put into whose channels are asked about; None: nobody wants to know.
    """

    def __init__(self, graph: ChannelGraph, gone: Mapping[str, np.ndarray]) -> None:
        self._graph = graph
        self._kernels: dict[int, list] = {}
        for kernel in graph.kernels:
            self._kernels.setdefault(id(kernel.call.layer), []).append(kernel.variable)
        self._channels = {(id(piece.variable), piece.axis): piece.channels for piece in graph.slices}
        self._let_go(gone)

    def again(self, gone: Mapping[str, np.ndarray]) -> "Sizes":
        """The same without other channels."""
        other = copy.copy(self)
        other._let_go(gone)
        return other

    def _let_go(self, gone: Mapping[str, np.ndarray]) -> None:
        self._alive = self._graph.alive(gone) if any(channels.any() for channels in gone.values()) else None
        self.read: set[str] | None = None

    def __call__(self, thing: Any) -> int:
        """Numbers of a weight, or of a tensor of a call."""
        if isinstance(thing, keras.KerasTensor):
            return math.prod(self._shape(thing))
        rank, key = len(thing.shape), id(thing)
        pieces = (self._channels.get((key, axis - rank)) for axis in range(rank))
        return math.prod(
            n if piece is None else n - self._count_lost(piece) for n, piece in zip(thing.shape, pieces, strict=True)
        )

    def positions(self, tensor: Any, axis: int = -1) -> int:
        """Positions of a tensor: the product of all its axes (the batch's too) but one."""
        shape = self._shape(tensor, without=axis % len(tensor.shape))
        return math.prod(shape)

    def length(self, tensor: Any, axis: int = -1) -> int:
        """Positions of a tensor along one axis."""
        return self._shape(tensor)[axis]

    def kernels(self, layer: Any) -> list:
        """The weights of a layer that multiply."""
        return self._kernels.get(id(layer), [])

    def _shape(self, tensor: Any, without: int | None = None) -> list[int]:
        found = []
        for axis, length in enumerate(tensor.shape):
            if axis == without:
                continue
            if length is None:
                raise ValueError(
                    f"a tensor has shape {tuple(tensor.shape)}, whose size does not follow from input_shapes: a "
                    "layer before it needs compute_output_shape"
                )
            unasked = self._alive is None and self.read is None
            channels = None if unasked else self._graph.channels(tensor, axis)
            found.append(length if channels is None else length - self._count_lost(channels))
        return found

    def _count_lost(self, channels: np.ndarray) -> int:
        if self.read is not None:
            self.read |= self._graph.groups_at(channels)
        return 0 if self._alive is None else len(channels) - int(np.count_nonzero(self._alive[channels]))


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


def _count(graph: ChannelGraph, gone: Mapping[str, np.ndarray]) -> tuple[LayerCost, ...]:
    sizes = Sizes(graph, gone)
    rows = (layer_cost(calls, sizes) for calls in calls_by_layer(graph))
    return tuple(row for row in rows if row is not None)


def calls_by_layer(graph: ChannelGraph) -> list[list]:
    """The calls of each layer, layers in the order of their last one."""
    found: dict[int, list] = {}
    for call in reversed(graph.calls):
        found.setdefault(id(call.layer), []).append(call)
    return [calls[::-1] for calls in reversed(found.values())]


def layer_cost(calls: list, sizes: Sizes) -> LayerCost | None:
    """The cost of the layer that these calls are of; None where it has no weights and multiplies nothing."""
    layer, macs, counted_ = calls[0].layer, 0, True
    for call in calls:
        try:
            more = call.rule.macs(call, sizes)
        except ValueError as error:
            raise ValueError(f"layer {call.path!r}: {error}") from error
        macs, counted_ = macs + (more or 0), counted_ and more is not None
    weights = getattr(layer, "weights", [])
    if not weights and not macs and counted_:
        return None
    held = [(sizes(weight), np.dtype(str(weight.dtype).replace("bfloat16", "float16"))) for weight in weights]
    params, size = sum(count for count, _ in held), sum(count * dtype.itemsize for count, dtype in held)
    return LayerCost(calls[0].path, calls[0].part, params, macs, size, counted_)
