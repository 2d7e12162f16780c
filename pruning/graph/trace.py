"""What the rules write while a model is walked: channels of tensors, slices of weights, kernels."""

from dataclasses import dataclass, field
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
    """A weight that multiplies: the tensors at whose positions it is applied, and how its output axis lies.

    Attributes:
        call: a call of its layer.
        variable: the Keras variable.
        scale_shape: shape that broadcasts one factor per output channel over the variable.
        applied: tensors; MACs of a call are the positions (batch included) of its tensor times the kernel's
            size.
    """

    call: Call
    variable: Any
    scale_shape: tuple[int, ...]
    applied: list = field(default_factory=list)


@dataclass(eq=False)
class Block:
    """Channels that came into being together: a layer's output, a model's input, something opaque."""

    maker: str
    part: str
    channels: np.ndarray


class Trace:
    """The book that rules write into. A rule is `rule(call, trace)`; it ends with `trace.give(output,
    channels)`.

    A tensor's channels are an int array, one number per position of its last axis, or None where the last
    axis is unknown or holds no channels.
    """

    def __init__(self) -> None:
        self.book = Channels()
        self.blocks: list[Block] = []
        self.slices: dict[tuple[int, int], Slice] = {}
        self.kernels: dict[int, Kernel] = {}
        self.scales: dict[int, list] = {}  # id of a layer -> batch norms that read its output directly
        self._made: dict[int, np.ndarray] = {}
        self._channels: dict[int, np.ndarray | None] = {}
        self._origin: dict[int, Any] = {}

    def channels(self, tensor: Any) -> np.ndarray | None:
        """Channels of a tensor."""
        return self._channels[id(tensor)]

    def give(self, tensor: Any, channels: np.ndarray | None, call: Call | None = None) -> None:
        """State the channels of an output tensor."""
        if channels is not None and len(channels) != tensor.shape[-1]:
            where = f" of {call.path!r}" if call else ""
            raise ValueError(
                f"an output{where} has {tensor.shape[-1]} channels, its rule gave {len(channels)}"
            )
        self._channels[id(tensor)] = channels
        if call is not None:
            self._origin[id(tensor)] = call.layer

    def origin(self, tensor: Any) -> Any:
        """The layer that made a tensor, or None."""
        return self._origin.get(id(tensor))

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

    def make(self, call: Call, count: int) -> np.ndarray:
        """The channels a layer makes: the same at every call of a shared layer."""
        if id(call.layer) not in self._made:
            self._made[id(call.layer)] = self.new(call.path, call.part, count)
        return self._made[id(call.layer)]

    def slice(
        self,
        call: Call,
        role: str,
        variable: Any,
        axis: int,
        channels: np.ndarray | None,
        *,
        zero: bool = True,
        kernel: bool = False,
    ) -> None:
        """State that an axis of a weight follows these channels. Further calls of a shared layer tie them."""
        if variable is None or channels is None:
            return
        axis = axis if axis < 0 else axis - len(variable.shape)
        if variable.shape[axis] != len(channels):
            raise ValueError(
                f"{call.path!r}: axis {axis} of {variable.path} has {variable.shape[axis]} positions, "
                f"its rule gave {len(channels)} channels"
            )
        known = self.slices.get((id(variable), axis))
        if known is None:
            self.slices[id(variable), axis] = Slice(call, role, variable, axis, channels, zero, kernel)
        else:
            self.tie(known.channels, channels)

    def kernel(self, call: Call, variable: Any, scale_shape: tuple[int, ...], applied: Any) -> None:
        """State that a weight multiplies at the positions of tensor `applied`."""
        known = self.kernels.setdefault(id(variable), Kernel(call, variable, scale_shape))
        known.applied.append(applied)

    def scale(self, call: Call) -> None:
        """State that this batch norm scales its input's channels: it is folded into the layer before it."""
        before = self.origin(call.inputs[0])
        if before is not None:
            norms = self.scales.setdefault(id(before), [])
            if call.layer not in norms:
                norms.append(call.layer)
