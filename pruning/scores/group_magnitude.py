"""Magnitude over all members of a group, batch norm folded in, every member relative to its own mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group, Member
from pruning.scores.criteria import Criterion, relative
from pruning.scores.magnitude import array, sums_along

Sums = dict[tuple[int, int], np.ndarray]


@dataclass(frozen=True)
class _GroupMagnitude(Criterion):
    """Norm of a channel's slice in every member, relative to that member's mean, averaged over the members.

    Members are the kernels: of producers by their output channels, of readers by their input channels, of
    depthwise layers by their channel. Batch norm is no member: it is folded into the kernel before it; biases do
    not count. All copies of a channel in one kernel (the H*W inputs of a Dense behind a Flatten) are one slice of
    one member, and dividing by the member's mean over the living channels keeps a wide reader from outvoting the
    others.

    Args:
        readers: whether readers count beside producers.
    """

    readers: bool = True
    power: ClassVar[int] = 1

    def values(self, graph: ChannelGraph, alive: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        sums = self._sums(graph)
        return {group.name: self._of_group(group, sums, alive[group.name]) for group in graph.prunable}

    def _sums(self, graph: ChannelGraph) -> Sums:
        """(id of a kernel, axis that follows channels) -> its sums along it; every kernel is folded once."""
        axes: dict[int, list[int]] = {}
        variables = {}
        for piece in graph.slices:
            if piece.kernel:
                axes.setdefault(id(piece.variable), []).append(piece.axis)
                variables[id(piece.variable)] = piece.variable
        kernels = {id(kernel.variable): kernel for kernel in graph.kernels}
        found = {}
        for key, variable in variables.items():
            weight = graph.folded(kernels[key]) if key in kernels else array(variable)
            for axis in axes[key]:
                found[key, axis] = sums_along(weight, axis, self.power)
        return found

    def _of_group(self, group: Group, sums: Sums, alive: np.ndarray) -> np.ndarray:
        found = []
        for member in group.members:
            if member.role == "reads" and not self.readers:
                continue
            norms = self._norms(group, member, sums)
            if norms is not None and norms[alive].any():
                found.append(relative(norms, alive))
        return np.mean(found, axis=0) if found else np.zeros(group.size)

    def _norms(self, group: Group, member: Member, sums: Sums) -> np.ndarray | None:
        """Norm of each channel's slice in one member, float64 (size,); None if it has no kernel there."""
        total = None
        for part in member.parts:
            if part.slice.kernel:
                along = sums[id(part.slice.variable), part.slice.axis][part.positions]
                summed = np.bincount(part.units, weights=along, minlength=group.size)
                total = summed if total is None else total + summed
        return None if total is None else total ** (1.0 / self.power)


@dataclass(frozen=True)
class GroupL1(_GroupMagnitude):
    """L1 norm over all members of a channel's group: what makes it, carries it and reads it.

    s_j = mean over members m of ( |W_mj|_1 / mean over living k of |W_mk|_1 ), batch norm folded in. A variant of this
    package, after the group norms of Fang et al. (DepGraph, CVPR 2023); `L1` is the published one. It was called L1
    in version 0.1.

    Args:
        readers: whether the slices of readers count beside those of producers.
    """

    power: ClassVar[int] = 1


@dataclass(frozen=True)
class GroupL2(_GroupMagnitude):
    """L2 norm over all members of a channel's group.

    s_j = mean over members m of ( |W_mj|_2 / mean over living k of |W_mk|_2 ), batch norm folded in. As `GroupL1`; it
    was called L2 in version 0.1.

    Args:
        readers: whether the slices of readers count beside those of producers.
    """

    power: ClassVar[int] = 2
