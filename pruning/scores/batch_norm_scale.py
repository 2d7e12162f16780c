"""The scales of batch norms as scores: network slimming (Liu et al., ICCV 2017)."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group
from pruning.scores.criteria import Criterion, relative
from pruning.scores.magnitude import array


@dataclass(frozen=True)
class BatchNormScale(Criterion):
    """Size of the scale that batch norm gives a channel.

    s_j = |gamma_j|: Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017. The
    paper first trains with a penalty on the scales, lambda * sum |gamma| (its equation 1; in Keras
    `BatchNormalization(gamma_regularizer=keras.regularizers.L1(1e-4))`): without it, or with batch norm frozen, scales
    are scores of whatever training left. Where several batch norms scale a channel (a residual stream), their mean.

    Args:
        relative: divide by the mean over the group's living channels; the paper compares raw scales of all layers.

    Raises:
        ValueError: when called, a prunable group that no batch norm with a scale carries.
    """

    relative: bool = False

    def values(self, graph: ChannelGraph, alive: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = {group.name: _scales(group) for group in graph.prunable}
        bare = [name for name, scales in found.items() if scales is None]
        if bare:
            raise ValueError(
                f"BatchNormScale: no batch norm with a scale carries {', '.join(map(repr, bare))}. Score them by "
                f"something else, or keep them: ChannelGraph(model, exclude={bare!r})"
            )
        sizes = {name: scales for name, scales in found.items() if scales is not None}
        if not self.relative:
            return sizes
        return {name: relative(scales, alive[name]) for name, scales in sizes.items()}


def _scales(group: Group) -> np.ndarray | None:
    """Mean |gamma| of the batch norms that carry each channel, float64 (size,); None where a channel has none."""
    total, count = np.zeros(group.size), np.zeros(group.size)
    for member in group.by_role("carries"):
        if not isinstance(member.layer, keras.layers.BatchNormalization) or not member.layer.scale:
            continue
        for part in member.parts:
            if part.slice.variable is member.layer.gamma:
                sizes = np.abs(array(member.layer.gamma))[part.positions]
                total += np.bincount(part.units, weights=sizes, minlength=group.size)
                count += np.bincount(part.units, minlength=group.size)
    return total / count if count.all() else None
