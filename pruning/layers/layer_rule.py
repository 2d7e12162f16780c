"""What one layer type does: the class that answers for it, and the words for the simplest ones.

A new one names the weights and what their axes follow, about ten lines:

    class Widen(pruning.LayerRule):
        width = "size"                       # what the layer's config calls its number of channels
        makes = {"kernel": -1, "bias": -1}   # axes of the channels that it makes
        reads = {"kernel": -2}               # axes of those that come in

    pruning.register(WidenLayer, Widen)

What this cannot say is said in code: `channels`, `narrow`, `macs` and `arguments` may each be overridden.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, ClassVar

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call

Kept = Callable[..., np.ndarray | None]
"""(tensor of the call, axis=-1) -> bool (C,): which channels stay; None where it holds none."""


class LayerRule:
    """What one layer type does to channels, how its config narrows, what its MACs are.

    By default the channels of the first input come out of every output of that width, unless `makes` names weights:
    then new ones do. Names may be dotted ("inner.kernel"); a weight that is None is left out. A kernel, a weight of
    two axes or more, is scored, and counts its size at each position of the first output as MACs.

    Attributes:
        width: config keys that hold the number of channels, one or several.
        makes, reads, carries: name of a weight -> its axis that is new channels, that consumes those that come in,
            that holds one value (or filter) for each of them.
    """

    width: ClassVar[str | tuple[str, ...]] = ("filters", "units")
    makes: ClassVar[Mapping[str, int]] = {}
    reads: ClassVar[Mapping[str, int]] = {}
    carries: ClassVar[Mapping[str, int]] = {}

    def channels(self, call: Call, trace: Trace) -> None:
        """Write into the trace what a call does: `trace.slice` for weights, `trace.give` for outputs."""
        layer, source = call.layer, call.inputs[0]
        from_input = trace.channels(source, channel_axis(layer, source))
        flows = {"reads": from_input, "carries": from_input}
        if self.makes:
            made = [(weight(layer, name), axis) for name, axis in self.makes.items()]
            sizes = {int(variable.shape[axis]) for variable, axis in made if variable is not None}
            if len(sizes) != 1:
                raise ValueError(f"layer {call.path!r}: {type(self).__name__}.makes names axes of sizes {sizes}")
            flows["makes"] = trace.make(call, sizes.pop())
        for role, places in (("reads", self.reads), ("carries", self.carries), ("makes", self.makes)):
            for name, axis in places.items():
                trace.slice(call, role, weight(layer, name), axis, flows[role])
        out = flows.get("makes", from_input)
        activate(call, trace, out)
        for output in call.outputs:
            axis = channel_axis(layer, output)
            if out is not None and output.shape and output.shape[axis] == len(out):
                trace.give(output, out, call, axis)
            else:
                trace.lock(out, f"{call.path} changes the number of channels")

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        """Narrow the layer's config in place for what stays; nested values are replaced, not changed.

        Args:
            config: of the layer, a copy.
            call: one of its calls; every call must ask for the same config.
            kept: which channels of the call's tensors stay.
        """
        stays = kept(call.outputs[0], channel_axis(call.layer, call.outputs[0]))
        if stays is not None:
            for name in (self.width,) if isinstance(self.width, str) else self.width:
                if name in config:
                    config[name] = narrowed(config[name], len(stays), int(stays.sum()))

    def arguments(self, args: Any, kwargs: dict, call: Call, kept: Kept) -> tuple[Any, dict]:
        """What the narrower layer is called with, where constants among the arguments depend on channels."""
        return args, kwargs

    def macs(self, call: Call, sizes: Any) -> int | None:
        """Multiply-adds of a call, or None where they cannot be told.

        Args:
            call: of the layer.
            sizes: `pruning.costs.model_cost.Sizes`: `sizes(weight or tensor)`, how many numbers are left of it;
                `sizes.length(tensor, axis=-1)`, along an axis; `sizes.positions(tensor, axis=-1)`, of all its axes but
                that one; `sizes.kernels(layer)`, its kernels.
        """
        layer = call.layer
        kernels = sizes.kernels(layer)
        if not kernels:
            return None if any(len(w.shape) > 1 for w in getattr(layer, "weights", [])) else 0
        where = sizes.positions(call.outputs[0], channel_axis(layer, call.outputs[0]))
        return where * sum(sizes(kernel) for kernel in kernels)


class Weightless(LayerRule):
    """A class of layers that hold no weights of their own, and multiply by none."""

    def macs(self, call: Call, sizes: Any) -> int | None:
        return 0


class Locked(LayerRule):
    """Whatever goes in and comes out is never pruned.

    Args:
        reason: why.
        multiplies: False: its MACs are 0; True: they are not known; None: not if it has matrices.
    """

    def __init__(self, reason: str = "declared locked", *, multiplies: bool | None = None) -> None:
        self.reason = reason
        self._multiplies = multiplies

    def channels(self, call: Call, trace: Trace) -> None:
        trace.lock_all(call, self.reason)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        pass

    def macs(self, call: Call, sizes: Any) -> int | None:
        if self._multiplies is None:
            return super().macs(call, sizes)
        return None if self._multiplies else 0


class FunctionRule(LayerRule):
    """A function `rule(call, trace)` that says what a layer does to channels; the rest as by default."""

    def __init__(self, function: Callable[[Call, Trace], None]) -> None:
        self._function = function

    def channels(self, call: Call, trace: Trace) -> None:
        self._function(call, trace)


def weight(layer: Any, name: str) -> Any:
    """A layer's weight by the name of its attribute, or None.

    Where an attribute is computed (a kernel with LoRA), the variable of that name stands behind it.
    """
    found = attrgetter(name)(layer)
    if found is None or any(found is variable for variable in layer.weights):
        return found
    return next((variable for variable in layer.weights if variable.name == name), found)


def narrowed(value: Any, before: int, after: int, axis: int = -1) -> Any:
    """A setting that holds a number of channels, alone or at an axis of a shape."""
    if isinstance(value, list | tuple):
        value = list(value)
        value[axis] = after if value[axis] == before else value[axis]
        return tuple(value)
    return after if value == before and not isinstance(value, bool) else value


def channel_axis(layer: Any, tensor: Any) -> int:
    """The axis that a layer takes for the channels' by its `data_format`; the last, where it has none."""
    data_format = getattr(layer, "data_format", "channels_last")
    if data_format is None:  # of a raw operation: Keras's setting, when it is called
        data_format = keras.config.image_data_format()
    first = data_format == "channels_first" and len(tensor.shape) > 1
    return 1 if first else len(tensor.shape) - 1


def axes_of(layer: Any) -> list[int] | None:
    """An operation's axes as numbers; None where it means all of them."""
    axes = getattr(layer, "axis", getattr(layer, "axes", None))
    return None if axes is None else [int(axis) for axis in np.atleast_1d(axes)]


# Activations that treat every number alone; those that look across channels are locked.
ELEMENTWISE = (
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink softplus softsign sparse_plus sparse_sigmoid "
    "squareplus swish tanh tanh_shrink threshold"
).split()
NOT_ZERO_AT_ZERO = (
    "exponential hard_sigmoid log_sigmoid sigmoid softplus sparse_plus sparse_sigmoid squareplus threshold"
).split()
ACROSS = ("softmax", "log_softmax", "sparsemax")


def activate(call: Call, trace: Trace, channels: np.ndarray | None, attribute: str = "activation") -> None:
    """Apply a layer's activation to channels: nothing, or a lock where it mixes them or is not known."""
    function = getattr(call.layer, attribute, None)
    if not callable(function):
        return
    name = getattr(function, "__name__", type(function).__name__)
    if _well_known(function, name):
        if name in ELEMENTWISE:
            return
        if name in ACROSS:
            trace.lock(channels, f"{name} over channels ({call.path})")
            return
    if trace.rules.keeps(function):
        return
    trace.lock(channels, f"activation {name} ({call.path})")
    if not trace.rules.knows(function):
        trace.unknown[f"activation {name!r} of {call.path!r}"] = f'pruning.register({name}, "keep")'


def sum_over(call: Call, trace: Trace, tensor: Any, axis: int = -1) -> None:
    """State that a layer sums over channels without weights: they are locked, unless masked ones are known to be zero.

    Args:
        call: of the layer.
        tensor, axis: what it sums.
    """
    if zero_if_masked(trace, tensor):
        trace.needs_zero(trace.channels(tensor, axis))
    else:
        trace.lock(trace.channels(tensor, axis), f"{call.path} sums over them, and a masked one need not be zero")


def zero_if_masked(trace: Trace, tensor: Any) -> bool:
    """Whether the layer that made a tensor has a kernel, or a scale, and an activation that leaves zero at zero."""
    maker = trace.origin(tensor)
    function = getattr(maker, "activation", None)
    name = getattr(function, "__name__", "")
    passes = function is None or (
        _well_known(function, name) and name in ELEMENTWISE and name not in NOT_ZERO_AT_ZERO
    )
    zeroed = any(
        piece.zero and (piece.role == "makes" or piece.variable is getattr(maker, "gamma", None))
        for piece in trace.slices.values()
        if maker is not None and piece.call.layer is maker
    )
    return zeroed and passes and type(maker).__module__.startswith("keras.")


def _well_known(function: Any, name: str) -> bool:
    """Whether a function is Keras's, or its backend's, of that name."""
    if str(getattr(function, "__module__", "")).split(".")[0] in ("tensorflow", "jax", "torch"):
        return True
    return any(getattr(home, name, None) is function for home in (keras.activations, keras.ops))
