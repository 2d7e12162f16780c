"""What is masked, as state: noted on every variable that was masked, and held by the optimizer.

A note lives as long as its variable; the optimizer's masks are saved and restored with it. A model saved without
its optimizer keeps neither: its Plan, saved beside it, says what is masked.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.holding_optimizer import leaves
from pruning.masks.mask_notes import noted_mask


def holding(model: Any) -> list[Any]:
    """The optimizers of a model that can hold masks; empty if it has none."""
    return [leaf for leaf in leaves(getattr(model, "optimizer", None)) if hasattr(leaf, "set_masks")]


def silent(graph: ChannelGraph, *, zeros: bool = False) -> dict[str, np.ndarray]:
    """Channels that are masked, and zero as the masks say.

    Masks are those of the model's optimizer, and those that `mask`, `apply_masks` and `hold` put on the weights.
    What merely happens to be zero (a layer that begins at zero) is not silent.

    Args:
        graph: of the model.
        zeros: read the weights instead of masks, for a masked model that comes without any (from a file without
            optimizer, or from elsewhere): silent is then what nothing makes and nothing reads.

    Returns:
        prunable group -> bool (size,). Groups that only `include` or `exclude` locked are not looked at.
    """
    zero = _where(graph, _is_zero)
    if zeros:
        return zero
    return {name: masked & zero[name] for name, masked in _where(graph, _masked(graph)).items()}


def revived(graph: ChannelGraph) -> dict[str, np.ndarray]:
    """Channels that are masked but live: their weights were written after pruning, by a callback or a file.

    Returns:
        prunable group -> bool (size,).
    """
    zero = _where(graph, _is_zero)
    return {name: masked & ~zero[name] for name, masked in _where(graph, _masked(graph)).items()}


def _is_zero(variable: Any) -> np.ndarray:
    return np.asarray(variable) == 0


def _masked(graph: ChannelGraph) -> Callable[[Any], np.ndarray | None]:
    """Variable -> bool array, where it is masked; None where nobody knows."""
    held = {id(variable): mask for leaf in holding(graph.model) for variable, mask in leaf.held()}

    def masked(variable: Any) -> np.ndarray | None:
        known = [np.asarray(mask) for mask in (held.get(id(variable)), noted_mask(variable)) if mask is not None]
        return ~np.logical_and.reduce(known) if known else None

    return masked


def _where(graph: ChannelGraph, read: Callable[[Any], np.ndarray | None]) -> dict[str, np.ndarray]:
    """Group -> bool (size,): True where all that makes, carries or reads a channel is, as far as it is known."""
    values: dict[int, np.ndarray | None] = {}
    found = {}
    for group in graph.prunable:
        known, other = np.zeros(group.size, dtype=bool), np.zeros(group.size, dtype=bool)
        for part in _zeroed(group.members):
            variable = part.slice.variable
            if id(variable) not in values:
                values[id(variable)] = read(variable)
            value = values[id(variable)]
            if value is None:
                continue
            along = np.moveaxis(value, part.slice.axis, 0)
            true = np.asarray(along.reshape(len(along), -1).all(axis=1))[part.positions]
            np.logical_or.at(known, part.units, True)
            np.logical_or.at(other, part.units, ~true)
        found[group.name] = known & ~other
    return found


def _zeroed(members: Iterable) -> list:
    return [part for member in members for part in member.parts if part.slice.zero]
