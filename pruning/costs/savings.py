"""What removing one channel alone saves, channel by channel: the unit price that scores are divided by."""

from typing import Any

import numpy as np

from pruning.costs.model_cost import counted, without
from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group
from pruning.masks.mask_state import silent

PRICES = ("macs", "params", "bytes")


def savings(graph: ChannelGraph, measure: str, input_shapes: Any = None) -> dict[str, np.ndarray]:
    """MACs, parameters or bytes that go with each channel, if it goes alone.

    What is masked already counts as gone, so the figures follow a model that is being pruned. Channels of a
    group that lie in equally many places save the same: one of each kind is counted.

    Args:
        graph: the model's groups.
        measure: "macs", "params" or "bytes".
        input_shapes: what MACs are counted for, as for `pruning.cost`; default, the shapes that the graph was
            made with, for one example.

    Returns:
        prunable group -> float64 (size,); for a channel that is masked already, what it would have saved.

    Raises:
        ValueError: an unknown measure; an input whose size is open; a group that saves nothing.
    """
    if measure not in PRICES:
        raise ValueError(f"per is {measure!r}; accepted: None, {', '.join(PRICES)}")
    sized, gone = counted(graph.model, input_shapes or graph.example_shapes), silent(graph)
    found = {}
    for group in graph.prunable:
        kinds, masked = _kinds(group), gone[group.name]
        saved = np.zeros(group.size)
        for kind in np.unique(kinds):
            mine = np.flatnonzero(kinds == kind)
            one = mine[np.argmin(masked[mine])]  # one that is still there, if any is
            costs = []
            for without_one in (False, True):
                masked_then = masked.copy()
                masked_then[one] = without_one
                costs.append(getattr(without(sized, {**gone, group.name: masked_then}), measure))
            saved[mine] = costs[0] - costs[1]
        if not (saved > 0).all():
            raise ValueError(
                f"a channel of group {group.name!r} saves no {measure} for inputs {dict(sized.input_shapes)}: "
                "give input_shapes that reach its layers"
            )
        found[group.name] = saved
    return found


def _kinds(group: Group) -> np.ndarray:
    """Int (size,): equal for channels that take equally many positions of every weight."""
    places = [np.bincount(part.units, minlength=group.size) for member in group.members for part in member.parts]
    return np.unique(np.stack(places), axis=1, return_inverse=True)[1].reshape(-1)
