"""Magnitude scores of a group's channels: L1 (Li et al., ICLR 2017) and L2."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group, Member
from pruning.scores.criteria import Criterion


@dataclass(frozen=True)
class _Magnitude(Criterion):
    """Norm of a channel's slice in every member, relative to that member's mean, averaged over the members.

    Members are the kernels: of producers by their output channels, of readers by their input channels, of
        depthwise
    layers by their channel. Batch norm is no member: it is folded into the kernel before it; biases do not
    count. All copies of a channel in one kernel (the H*W inputs of a Dense behind a Flatten) are one slice
    of one member, and dividing by the member's mean keeps a wide reader from outvoting the others.

    Args:
        readers: whether readers count; without them it is the norm of the filters alone.
    """

    readers: bool = True
    power: ClassVar[int] = 1

    def score(self, graph: ChannelGraph, group: Group) -> np.ndarray:
        kernels = {id(kernel.variable): kernel for kernel in graph.kernels}
        relative = []
        for member in group.members:
            if member.role == "reads" and not self.readers:
                continue
            norms = self._norms(graph, kernels, group, member)
            if norms is not None and norms.mean() > 0:
                relative.append(norms / norms.mean())
        return np.mean(relative, axis=0) if relative else np.zeros(group.size)

    def _norms(self, graph: ChannelGraph, kernels: dict, group: Group, member: Member) -> np.ndarray | None:
        """Norm of each channel's slice in one member, float64 (size,); None if it has no kernel there."""
        total = None
        for part in member.parts:
            if not part.slice.kernel:
                continue
            weight = np.abs(graph.folded(kernels[id(part.slice.variable)])).astype(np.float64) ** self.power
            axis = part.slice.axis % weight.ndim
            along = weight.sum(axis=tuple(other for other in range(weight.ndim) if other != axis))
            summed = np.bincount(part.units, weights=along[part.positions], minlength=group.size)
            total = summed if total is None else total + summed
        return None if total is None else total ** (1.0 / self.power)


@dataclass(frozen=True)
class L1(_Magnitude):
    """Sum of absolute weights of a channel's slice; see the members it counts below.

    Args:
        readers: whether the slices of readers count beside those of producers.
    """

    power: ClassVar[int] = 1


@dataclass(frozen=True)
class L2(_Magnitude):
    """Euclidean norm of a channel's slice; members as in L1.

    Args:
        readers: whether the slices of readers count beside those of producers.
    """

    power: ClassVar[int] = 2
