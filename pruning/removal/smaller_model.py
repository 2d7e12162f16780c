"""Removal: a physically smaller model that computes what the masked one computes."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph, graph_of
from pruning.masks.mask_notes import note_mask, note_positions, noted_mask
from pruning.masks.mask_state import revived
from pruning.plans.pruning_plan import Plan
from pruning.removal.narrowing import Narrowing
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
            called as `type(model)(config, network=...)`; its own variables are carried over. Or a ChannelGraph of
            one, where the graph has rules of its own.
        plan: made for this model's structure.

    Returns:
        a model of the same class.

    Raises:
        ValueError: the plan was made for another structure, or would remove all channels of a group; or a
            layer's class cannot be built with fewer channels.
    """
    graph = graph_of(model)
    gone = plan.channels(graph)
    _warn_of_revived(graph, gone)
    alive = graph.alive(gone)
    cuts: dict[int, list[tuple[int, np.ndarray]]] = {}
    for piece in graph.slices:
        stays = alive[piece.channels]
        if not stays.all():
            cuts.setdefault(id(piece.variable), []).append((piece.axis, stays))
    smaller, counterparts = rebuild(graph.model, Narrowing(graph, alive), cuts)
    _carry_notes(graph, counterparts, cuts)
    recompile(graph.model, smaller, counterparts, cuts)
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
