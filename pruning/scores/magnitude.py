"""Magnitude as published: the norm of a filter's own weights, L1 (Li et al., ICLR 2017) and L2."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group
from pruning.scores.criteria import Criterion, relative


@dataclass(frozen=True)
class FilterCriterion(Criterion):
    """Scores that look at the filters that make a channel, and at nothing else. A new one defines `of_filters`.

    Batch norm is not folded in, biases do not count, and the layers that read a channel do not either: see
    `GroupL1` for what does all that.

    Args:
        relative: divide by the mean over the group's living channels. As published, layers are pruned by ratios of
            their own; where channels of several layers compete (scope "global"), raw norms rank the layers by the
            size of their kernels.
    """

    relative: bool = False

    def values(self, graph: ChannelGraph, alive: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = {group.name: self.of_filters(group, alive[group.name]) for group in graph.prunable}
        if not self.relative:
            return found
        return {name: relative(scores, alive[name]) for name, scores in found.items()}

    def of_filters(self, group: Group, alive: np.ndarray) -> np.ndarray:
        """Score the channels of one group.

        Args:
            group: the group.
            alive: bool (size,), the channels that live.

        Returns:
            float64 (size,); what silent channels score does not matter.
        """
        raise NotImplementedError(f"{type(self).__name__} must define of_filters(group, alive)")


@dataclass(frozen=True)
class L1(FilterCriterion):
    """Sum of the absolute weights of a channel's filter.

    s_j = sum |F_j| over the filter's inputs and positions: Li et al., "Pruning Filters for Efficient ConvNets", ICLR
    2017, section 3.1. Where several layers make a channel (a residual stream), the filters of all of them count; the
    paper lets the projection shortcut alone decide there.

    Args:
        relative: see `FilterCriterion`.
    """

    def of_filters(self, group: Group, alive: np.ndarray) -> np.ndarray:
        return power_sums(group, 1)


@dataclass(frozen=True)
class L2(FilterCriterion):
    """Euclidean norm of a channel's filter.

    s_j = (sum F_j^2)^(1/2): He et al., "Soft Filter Pruning", IJCAI 2018, equation 2 with p = 2. Several layers that
    make a channel: as in `L1`.

    Args:
        relative: see `FilterCriterion`.
    """

    def of_filters(self, group: Group, alive: np.ndarray) -> np.ndarray:
        return np.sqrt(power_sums(group, 2))


def power_sums(group: Group, power: int) -> np.ndarray:
    """Sum of |w|^power over the filters that make each channel, float64 (size,)."""
    total = np.zeros(group.size)
    for member in group.producers:
        for part in member.parts:
            if part.slice.kernel:
                along = sums_along(array(part.slice.variable), part.slice.axis, power)
                total += np.bincount(part.units, weights=along[part.positions], minlength=group.size)
    return total


def sums_along(weight: np.ndarray, axis: int, power: int) -> np.ndarray:
    """Sum of |w|^power over all axes but one, float64 (length of that axis,)."""
    size = np.abs(weight) if power == 1 else np.square(weight, dtype=np.float64)
    others = tuple(other for other in range(weight.ndim) if other != axis % weight.ndim)
    return size.sum(axis=others, dtype=np.float64)


def array(variable: keras.Variable) -> np.ndarray:
    """A variable's value, float32 or wider (half precision would overflow in a sum of squares)."""
    value = keras.ops.convert_to_numpy(variable)
    return value if value.dtype == np.float64 else np.asarray(value, dtype=np.float32)
