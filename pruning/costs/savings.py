"""What removing one channel alone saves, channel by channel: the unit price that scores are divided by."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from pruning.costs.model_cost import Sizes, calls_by_layer, counted, layer_cost
from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group
from pruning.masks.living_channels import living

PRICES = ("macs", "params", "bytes")
_SIZED: "WeakKeyDictionary[ChannelGraph, dict[str, ChannelGraph]]" = WeakKeyDictionary()


def sized(graph: ChannelGraph, input_shapes: Any = None) -> ChannelGraph:
    """A graph's model on inputs of a known size, read once for a graph and a size.

    Args:
        graph: the model's groups.
        input_shapes: as for `pruning.cost`; default, the shapes that the graph was made with, for one example.

    Raises:
        ValueError: an input's size is open.
    """
    shapes: Any = input_shapes or graph.example_shapes
    known = _SIZED.setdefault(graph, {})
    key = repr(sorted(shapes.items()) if hasattr(shapes, "items") else shapes)
    if key not in known:
        known[key] = counted(graph, shapes)
    return known[key]


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
        prunable group -> float64 (size,), above 0; for a channel that is masked already, what it would have saved.

    Raises:
        ValueError: an unknown measure; an input whose size is open; a group that saves nothing.
    """
    if measure not in PRICES:
        raise ValueError(f"per is {measure!r}; accepted: None, {', '.join(PRICES)}")
    counts, gone = sized(graph, input_shapes), {name: ~alive for name, alive in living(graph).items()}
    layers, sizes = calls_by_layer(counts), Sizes(counts, gone)
    now: list[int] = []
    reading: dict[str, list[int]] = {}  # group -> the layers whose cost depends on it
    for number, calls in enumerate(layers):
        sizes.read = set()
        now.append(_cost(calls, sizes, measure))
        for name in sizes.read:
            reading.setdefault(name, []).append(number)
    found = {}
    for group in graph.prunable:
        kinds, masked = _kinds(group), gone[group.name]
        saved = np.zeros(group.size)
        for kind in np.unique(kinds):
            mine = np.flatnonzero(kinds == kind)
            one = mine[np.argmin(masked[mine])]  # one that lives, if any does
            changed = masked.copy()
            changed[one] = not masked[one]
            fewer = sizes.again({**gone, group.name: changed})
            of_layers = (now[at] - _cost(layers[at], fewer, measure) for at in reading.get(group.name, ()))
            saved[mine] = abs(sum(of_layers))
        if not (saved > 0).all():
            raise ValueError(
                f"a channel of group {group.name!r} saves no {measure} for inputs {dict(counts.input_shapes)}: "
                "give input_shapes that reach its layers"
            )
        found[group.name] = saved
    return found


def _cost(calls: list, sizes: Sizes, measure: str) -> int:
    row = layer_cost(calls, sizes)
    return 0 if row is None else getattr(row, measure)


def _kinds(group: Group) -> np.ndarray:
    """Int (size,): equal for channels that take equally many positions of every weight."""
    places = [np.bincount(part.units, minlength=group.size) for member in group.members for part in member.parts]
    return np.unique(np.stack(places), axis=1, return_inverse=True)[1].reshape(-1)
