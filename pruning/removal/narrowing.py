"""What removal changes in the layers' configs: the narrower widths, asked of each layer's class."""

from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.walk import Call


class Narrowing:
    """Which layers and nested inputs get narrower.

    Args:
        graph: of the model.
        alive: bool, one for every channel number.
    """

    def __init__(self, graph: ChannelGraph, alive: np.ndarray) -> None:
        self._graph, self._alive = graph, alive
        self._calls: dict[int, list[Call]] = {}
        self._at: dict[tuple[str, int], Call] = {}
        for call in graph.calls:
            self._calls.setdefault(id(call.layer), []).append(call)
            self._at.setdefault((call.path, call.node), call)

    def kept(self, tensor: Any, axis: int = -1) -> np.ndarray | None:
        """Which channels of a tensor stay along an axis, bool (C,); None where it has none."""
        channels = self._graph.channels(tensor, axis)
        return None if channels is None else self._alive[channels]

    def config(self, layer: Any) -> dict:
        """The config of the narrower layer.

        Raises:
            ValueError: its calls leave different widths, of which a config holds one.
        """
        plain = dict(layer.get_config())
        every: list[tuple[str, dict]] = []
        for call in self._calls.get(id(layer), []):
            config = dict(plain)
            call.rule.narrow(config, call, self.kept)
            changes = {key: value for key, value in config.items() if value is not plain[key] and value != plain[key]}
            if not every or changes not in [known for _, known in every]:
                every.append((call.path, changes))
        if len(every) > 1:
            found = " and ".join(str(changes or "the whole layer") for _, changes in every)
            raise ValueError(
                f"layer {every[0][0]!r} is left with {found} by its calls, but its config holds one width: give each "
                "call a layer of its own"
            )
        return plain | every[0][1] if every else plain

    def shape(self, path: str, shape: tuple) -> tuple:
        """The shape of a nested model's input (by the path of its InputLayer, or of a Sequential)."""
        found = list(shape)
        for axis, channels in self._graph.entries.get(path, {}).items():
            if found[axis] is not None:
                found[axis] = int(self._alive[channels].sum())
        return tuple(found)

    def arguments(self, path: str, node: int, args: Any, kwargs: dict) -> tuple[Any, dict]:
        """What a layer is called with in the narrower model."""
        call = self._at.get((path, node))
        return (args, kwargs) if call is None else call.rule.arguments(args, kwargs, call, self.kept)
