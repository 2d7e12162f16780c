"""What the layers' classes write while a model is walked: channels of tensors, slices of weights, kernels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pruning.graph.channels import Channels
from pruning.graph.walk import Call


@dataclass(eq=False)
class Slice:
    """One axis of one weight, channel by channel.

    Attributes:
        call: a call of the layer that owns the weight.
        role: "makes" (writes these channels), "carries" (one value or filter for each), "reads" (consumes
            them).
        variable: the Keras variable.
        axis: its axis, negative.
        channels: number of the channel at every position of the axis.
        zero: whether masking zeroes it.
        kernel: whether it is a kernel (and so has a magnitude score).
    """

    call: Call
    role: str
    variable: Any
    axis: int
    channels: np.ndarray
    zero: bool
    kernel: bool


@dataclass(eq=False)
class Kernel:
    """A weight that multiplies, and how its output axis lies.

    Attributes:
        call: a call of its layer.
        variable: the Keras variable.
        scale_shape: shape that broadcasts one factor per output channel over the variable; () where a batch norm
            behind it cannot be folded in.
    """

    call: Call
    variable: Any
    scale_shape: tuple[int, ...]


@dataclass(eq=False)
class Block:
    """Channels that came into being together: a layer's output, a model's input, something opaque."""

    maker: str
    part: str
    channels: np.ndarray


class Trace:
    """The book that layers' classes write into (`pruning.layers.layer_rule`).

    A tensor may hold channels on any of its axes, on several too: an int array for each such axis, one number per
    position. An axis that holds none, or whose channels are not known, has None. Axes are counted as in NumPy; -1,
    the last, is the default everywhere. What a class leaves open is closed for it: channels on an axis that it did
    not ask for are locked, and an output that it gave nothing gets channels of its own, which are locked.

    Args:
        rules: `pruning.layers.registry.Rules`, for classes that hand a part of their work to another's (an inner
            layer, an activation).
    """

    def __init__(self, rules: Any = None) -> None:
        self.rules = rules
        self.book = Channels()
        self.blocks: list[Block] = []
        self.slices: dict[tuple[int, int], Slice] = {}
        self.kernels: dict[int, Kernel] = {}
        self.scales: dict[int, list] = {}  # id of a layer -> batch norms that read its output directly
        self.unknown: dict[str, str] = {}  # what nothing is known about -> what to write
        self.spared: list[np.ndarray] = []  # channels that masking must not set to zero
        self.summed: list[np.ndarray] = []  # channels that masking must set to zero
        self.pieces: list[np.ndarray] = []  # channels of which some must stay
        self._made: dict[Any, np.ndarray] = {}
        self._channels: dict[int, dict[int, np.ndarray]] = {}
        self._asked: set[tuple[int, int]] = set()
        self._origin: dict[int, Any] = {}

    def channels(self, tensor: Any, axis: int = -1) -> np.ndarray | None:
        """Channels of a tensor along an axis, int (C,); None where it has none."""
        if not tensor.shape:
            return None
        axis %= len(tensor.shape)
        self._asked.add((id(tensor), axis))
        return self._channels.get(id(tensor), {}).get(axis)

    def axes(self, tensor: Any) -> dict[int, np.ndarray]:
        """Every axis of a tensor that holds channels (0-based) -> their numbers."""
        found = self._channels.get(id(tensor), {})
        self._asked.update((id(tensor), axis) for axis in found)
        return dict(found)

    def give(self, tensor: Any, channels: np.ndarray | None, call: Call | None = None, axis: int = -1) -> None:
        """State the channels of an output tensor along an axis; None: it has none there that are known."""
        if call is not None:
            self._origin[id(tensor)] = call.layer
        known = self._channels.setdefault(id(tensor), {})
        if channels is None:
            return
        if len(channels) != tensor.shape[axis]:
            where = f" of {call.path!r}" if call else ""
            raise ValueError(f"an output{where} has {tensor.shape[axis]} channels, its rule gave {len(channels)}")
        known[axis % len(tensor.shape)] = channels

    def close(self, call: Call) -> None:
        """Lock what a layer's class did not follow: axes that it did not ask for, outputs that it gave nothing."""
        for tensor in call.inputs:
            for axis, channels in self._channels.get(id(tensor), {}).items():
                if (id(tensor), axis) not in self._asked:
                    self.lock(channels, f"{call.path} does not follow channels on axis {axis}")
        self._asked.clear()
        for output in call.outputs:
            if id(output) not in self._channels:
                self.opaque(call, output, f"made by {call.path}")

    def inner(self, call: Call, layer: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> Call:
        """Ask the class of a layer that a wrapper holds; its call is noted in `call.inner`.

        Args:
            call: of the wrapper.
            layer: the inner layer.
            inputs, outputs: tensors of the inner call, of their own where shapes differ from the wrapper's.
        """
        found = Call(layer, f"{call.path}/{layer.name}", call.part, tuple(inputs), {}, list(inputs), list(outputs))
        found.rule = self.rules.of(layer)
        call.inner.append(found)
        asked, self._asked = self._asked, set()
        found.rule.channels(found, self)
        self.close(found)
        self._asked = asked | {(id(tensor), axis) for tensor in inputs for axis in self._channels.get(id(tensor), {})}
        return found

    def origin(self, tensor: Any) -> Any:
        """The layer that made a tensor, or None."""
        return self._origin.get(id(tensor))

    def same(self, tensor: Any, other: Any) -> None:
        """State that a tensor is another in other axes: the same layer made it."""
        self._origin[id(tensor)] = self.origin(other)

    def new(self, maker: str, part: str, count: int) -> np.ndarray:
        """Fresh channels of a maker that is not a weight (a model input, an opaque layer)."""
        channels = self.book.new(count)
        self.blocks.append(Block(maker, part, channels))
        return channels

    def opaque(self, call: Call, tensor: Any, reason: str) -> None:
        """Give an output channels that are locked, for a layer that scrambles or hides its inputs'."""
        if len(tensor.shape) < 2 or tensor.shape[-1] is None:
            self.give(tensor, None, call)
            return
        channels = self.new(call.path, call.part, tensor.shape[-1])
        self.lock(channels, reason)
        self.give(tensor, channels, call)

    def tie(self, *channels: np.ndarray | None) -> None:
        """Tie arrays of channels, position by position; None is left out."""
        known = [array for array in channels if array is not None]
        for array in known[1:]:
            self.book.tie(known[0], array)

    def lock(self, channels: np.ndarray | None, reason: str) -> None:
        """Never prune these channels, and why."""
        if channels is not None:
            self.book.lock(channels, reason)

    def lock_all(self, call: Call, reason: str) -> None:
        """Keep a call whole: whatever goes in and comes out is never pruned."""
        why = f"{reason} ({call.path})"
        for tensor in call.inputs:
            for channels in self.axes(tensor).values():
                self.lock(channels, why)
        for output in call.outputs:
            self.opaque(call, output, why)

    def spare(self, channels: np.ndarray | None) -> None:
        """These must not become zero when they are masked, because something divides by them.

        Nothing that makes or carries their group is zeroed then: what reads it ignores the masked channels.
        """
        if channels is not None:
            self.spared.append(channels)

    def needs_zero(self, channels: np.ndarray | None) -> None:
        """These must be zero when they are masked, because something sums over them without weights."""
        if channels is not None:
            self.summed.append(channels)

    def apart(self, channels: np.ndarray) -> None:
        """These are a tensor of their own, which must not lose them all: they are a group apart from others."""
        self.pieces.append(channels)

    def make(self, call: Call, count: int, what: str = "") -> np.ndarray:
        """The channels a layer makes: the same at every call of a shared layer.

        Args:
            what: tells several kinds of channels of one layer apart.
        """
        key = (id(call.layer), what)
        if key not in self._made:
            self._made[key] = self.new(f"{call.path}.{what}" if what else call.path, call.part, count)
        return self._made[key]

    def slice(
        self,
        call: Call,
        role: str,
        variable: Any,
        axis: int,
        channels: np.ndarray | None,
        *,
        zero: bool = True,
        kernel: bool | None = None,
        folds: bool = True,
    ) -> None:
        """State that an axis of a weight follows these channels. Further calls of a shared layer tie them.

        Args:
            role: "makes", "carries" or "reads", as in `Slice`.
            variable: the weight, or None: nothing happens.
            axis: its axis.
            channels: a number for every position; a number may occur several times. None: nothing happens.
            zero: whether masking zeroes it.
            kernel: whether it is scored and multiplies; default, whether it is zeroed and has two axes or more.
            folds: whether a batch norm behind the layer scales these channels, if it makes them.
        """
        if variable is None or channels is None:
            return
        rank = len(variable.shape)
        axis = axis if axis < 0 else axis - rank
        if variable.shape[axis] != len(channels):
            raise ValueError(
                f"{call.path!r}: axis {axis} of {variable.path} has {variable.shape[axis]} positions, "
                f"its rule gave {len(channels)} channels"
            )
        kernel = zero and rank > 1 if kernel is None else kernel
        known = self.slices.get((id(variable), axis))
        if known is None:
            self.slices[id(variable), axis] = Slice(call, role, variable, axis, channels, zero, kernel)
        else:
            self.tie(known.channels, channels)
        if kernel:
            foldable = folds and role == "makes" and len(np.unique(channels)) == len(channels)
            self.kernel(call, variable, tuple(-1 if a == axis else 1 for a in range(-rank, 0)) if foldable else ())

    def kernel(self, call: Call, variable: Any, scale_shape: tuple[int, ...] = ()) -> None:
        """State that a weight multiplies (a slice with `kernel` has stated it already)."""
        known = self.kernels.setdefault(id(variable), Kernel(call, variable, scale_shape))
        known.scale_shape = known.scale_shape or scale_shape

    def scale(self, call: Call) -> None:
        """State that this batch norm scales its input's channels: it is folded into the layer before it."""
        before = self.origin(call.inputs[0])
        if before is not None:
            norms = self.scales.setdefault(id(before), [])
            if call.layer not in norms:
                norms.append(call.layer)
