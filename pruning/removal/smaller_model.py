"""Removal: a physically smaller model that computes what the masked one computes."""

from typing import Any

import numpy as np

from pruning.graph.channel_graph import graph_of
from pruning.plans.pruning_plan import Plan
from pruning.removal.narrowing import Narrowing
from pruning.removal.rebuild import rebuild
from pruning.removal.recompile import recompile


def remove(model: Any, plan: Plan) -> Any:
    """A smaller model of the same class and names, without a plan's channels; the original is untouched.

    Its outputs are those of `pruning.mask(model, plan)`. If the model is compiled, so is the smaller one, with
    the same settings: its optimizer goes on from the same step, with moments, averages and masks cut like the
    weights.

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
    alive = graph.alive(gone)
    cuts: dict[int, list[tuple[int, np.ndarray]]] = {}
    for piece in graph.slices:
        stays = alive[piece.channels]
        if not stays.all():
            cuts.setdefault(id(piece.variable), []).append((piece.axis, stays))
    smaller, counterparts = rebuild(graph.model, Narrowing(graph, alive), cuts)
    recompile(graph.model, smaller, counterparts, cuts)
    return smaller
