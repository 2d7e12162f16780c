"""Removal: a physically smaller model that computes what the masked one computes."""

from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.plans.pruning_plan import Plan
from pruning.removal.rebuild import rebuild
from pruning.removal.recompile import recompile


def remove(model: Any, plan: Plan) -> Any:
    """A smaller model of the same class and names, without a plan's channels; the original is untouched.

    Its outputs are those of `pruning.mask(model, plan)`. If the model is compiled, so is the smaller one, with
    the same settings: its optimizer goes on from the same step, with moments, averages and masks cut like the
    weights.

    Args:
        model: Functional or Sequential model, or an object with `.network` and `.config` whose class is
            called as `type(model)(config, network=...)`; its own variables are carried over.
        plan: made for this model's structure.

    Returns:
        a model of the same class.

    Raises:
        ValueError: the plan was made for another structure, or would remove all channels of a group; or a
            layer's class cannot be built with fewer channels.
    """
    graph = ChannelGraph(model)
    gone = plan.channels(graph)
    alive = graph.alive(gone)
    cuts: dict[int, list[tuple[int, np.ndarray]]] = {}
    for piece in graph.slices:
        stays = alive[piece.channels]
        if not stays.all():
            cuts.setdefault(id(piece.variable), []).append((piece.axis, stays))
    widths = _Widths(graph, alive)
    smaller, counterparts = rebuild(model, widths.edit, cuts)
    recompile(model, smaller, counterparts, cuts)
    return smaller


class _Widths:
    """Which layers and nested inputs get narrower, and their configs' edits.

    Args:
        graph: of the model.
        alive: bool, one for every channel number.
    """

    def __init__(self, graph: ChannelGraph, alive: np.ndarray) -> None:
        self._changes: dict[str, set[tuple[int, int]]] = {}
        for call in graph.calls:
            channels = graph.channels(call.outputs[0])
            if channels is not None:
                change = (len(channels), int(alive[channels].sum()))
                self._changes.setdefault(call.path, set()).add(change)
        self._inputs: dict[str, int] = {}
        for path, channels in graph.entries.items():
            if channels is not None and not alive[channels].all():
                self._inputs[path] = int(alive[channels].sum())

    def edit(self, config: dict, prefix: str = "", around: str = "") -> None:
        """Narrow a model's config in place, nested models included."""
        if around in self._inputs and config.get("build_input_shape"):
            config["build_input_shape"] = (*config["build_input_shape"][:-1], self._inputs[around])
        for entry in config["layers"]:
            inner = entry["config"]
            path = f"{prefix}{inner['name']}"
            if entry["class_name"] == "InputLayer":
                width = self._inputs.get(path, self._inputs.get(around))
                if width is not None and inner["batch_shape"][-1] is not None:
                    inner["batch_shape"] = (*inner["batch_shape"][:-1], width)
            elif "layers" in inner:
                inner.pop("trainable", None)
                self.edit(inner, f"{path}/", path)
            elif path in self._changes:
                _narrow(inner, path, self._changes[path])


def _narrow(config: dict, path: str, changes: set[tuple[int, int]]) -> None:
    """Edit the settings that hold a layer's number of output channels."""
    held = [name for name in ("filters", "units", "target_shape", "newshape", "projection_dim") if name in config]
    if not held or all(before == after for before, after in changes):
        return
    if len(changes) > 1:
        found = " and ".join(f"{before} channels of which {after} stay" for before, after in sorted(changes))
        raise ValueError(
            f"layer {path!r} gives {found}, but its config holds one width: give each call a layer of its own"
        )
    ((before, after),) = changes
    for name in held:
        if config[name] == before:
            config[name] = after
            if config.get("groups", 1) > 1:
                config["groups"] = config["groups"] * after // before
        elif isinstance(config[name], list | tuple) and config[name][-1] == before:
            config[name] = (*config[name][:-1], after)
