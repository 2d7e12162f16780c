"""Removal: a physically smaller model that computes what the masked one computes."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.mask_notes import note_mask, note_positions, noted_mask
from pruning.masks.mask_state import revived
from pruning.plans.pruning_plan import Plan
from pruning.removal.rebuild import Cuts, cut, rebuild
from pruning.removal.recompile import recompile


def remove(model: Any, plan: Plan) -> Any:
    """A smaller model of the same class and names, without a plan's channels; the original is untouched.

    Its outputs are those of `pruning.mask(model, plan)`. If the model is compiled, so is the smaller one, with
    the same settings: its optimizer goes on from the same step, with moments and averages cut like the weights. It is
    of the class without masks, unless channels stay masked that the plan does not cut; to prune further, compile with
    `pruning.masked(small.optimizer)`.

    Warns if channels that were masked live again, and of an optimizer that cannot go on step by step as that of the
    masked model would (Adafactor, whose update takes means over the whole kernel).

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
    _warn_of_revived(graph, gone)
    alive = graph.alive(gone)
    cuts: dict[int, list[tuple[int, np.ndarray]]] = {}
    for piece in graph.slices:
        stays = alive[piece.channels]
        if not stays.all():
            cuts.setdefault(id(piece.variable), []).append((piece.axis, stays))
    widths = _Widths(graph, alive)
    smaller, counterparts = rebuild(model, widths.edit, cuts)
    _carry_notes(graph, counterparts, cuts)
    recompile(model, smaller, counterparts, cuts)
    return smaller


def _warn_of_revived(graph: ChannelGraph, gone: Mapping[str, np.ndarray]) -> None:
    """Say so if channels that go were masked and live again: then the smaller model computes something else."""
    live = {name: int((again & gone[name]).sum()) for name, again in revived(graph).items() if name in gone}
    live = {name: count for name, count in live.items() if count}
    if live:
        groups = ", ".join(f"{name} ({count})" for name, count in live.items())
        warnings.warn(
            f"{sum(live.values())} channels that were pruned live again, and remove cuts them: {groups}. Their weights "
            "were written after pruning (EarlyStopping with restored weights, a loaded file), so the smaller model "
            "does not compute what this one does; pruning.apply_masks(model, plan) silences them again",
            stacklevel=3,
        )


def _carry_notes(graph: ChannelGraph, counterparts: Mapping[int, Any], cuts: Cuts) -> None:
    """Note on the smaller model's weights what is still masked of them, and where vectors were cut from."""
    for variable in {id(piece.variable): piece.variable for piece in graph.slices}.values():
        new, axes = counterparts.get(id(variable)), cuts.get(id(variable), [])
        if new is None:
            continue
        keep = noted_mask(variable)
        if keep is not None:
            note_mask(new, cut(keep, axes))
        if len(variable.shape) == 1 and axes:
            note_positions(new, axes[0][1])


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
