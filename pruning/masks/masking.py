"""Masking: silences a plan's channels without changing a shape.

What a removed model would lack is zero here: the input slices of every reader, and every producer's kernel,
bias, batch-norm scale and shift (and moving mean, where there is no scale).
"""

from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph, graph_of
from pruning.plans.pruning_plan import Plan
from pruning.removal.rebuild import rebuild


def mask(model: Any, plan: Plan) -> Any:
    """A copy of a model with a plan's channels silenced; the original is untouched.

    Args:
        model: Functional or Sequential model, or an object with `.network` and `.config` whose class is
            called as `type(model)(config, network=...)`; or a ChannelGraph of one.
        plan: made for this model's structure.

    Returns:
        a model of the same class and shapes, not compiled. To go on training with the channels held, compile
        it with `pruning.masked(optimizer)` and call `pruning.hold(masked, plan)`.

    Raises:
        ValueError: the plan was made for another structure.
    """
    graph = graph_of(model)
    copied, _ = rebuild(graph.model)
    apply_masks(copied, plan, graph.again(copied))
    return copied


def apply_masks(model: Any, plan: Plan, graph: ChannelGraph | None = None) -> dict[str, np.ndarray]:
    """Silence a plan's channels in place.

    Args:
        model: the model whose weights are written.
        plan: made for this model's structure.
        graph: the model's graph, if it is at hand.

    Returns:
        variable path -> bool array of the variable's shape, False where it was zeroed; for every weight
        touched.

    Raises:
        ValueError: the plan was made for another structure, or two weights share a path.
    """
    graph = graph or graph_of(model)
    every = plan.channels(graph)
    masks: dict[int, tuple[Any, np.ndarray]] = {}
    for group in graph.groups:
        if group.name not in every:
            continue
        gone = every[group.name]
        for member in group.members:
            for part in member.parts:
                if not part.slice.zero:
                    continue
                variable = part.slice.variable
                _, keep = masks.setdefault(
                    id(variable), (variable, np.ones(tuple(variable.shape), dtype=bool))
                )
                np.moveaxis(keep, part.slice.axis, 0)[part.at(gone)] = False
    by_path: dict[str, np.ndarray] = {}
    for variable, keep in masks.values():
        if variable.path in by_path:
            raise ValueError(
                f"two weights have the path {variable.path!r}: give every layer of the network a name of its "
                "own (a path does not hold the names of nested models)"
            )
        by_path[variable.path] = keep
        variable.assign(np.where(keep, np.asarray(variable), 0))
    return by_path


def hold(model: Any, plan: Plan, graph: ChannelGraph | None = None) -> None:
    """Silence a plan's channels in place, and have the model's optimizer keep them so in training.

    Args:
        model: compiled with `pruning.masked(optimizer)`.
        plan: made for this model's structure.
        graph: the model's graph, if it is at hand.

    Raises:
        ValueError: as `apply_masks`; or the model's optimizer cannot hold masks.
    """
    optimizer = holder(model)
    masks = apply_masks(model, plan, graph)
    if not optimizer.built:
        model.optimizer.build(model.trainable_variables)
    trained = {variable.path for variable in model.trainable_variables}
    optimizer.set_masks({path: keep for path, keep in masks.items() if path in trained})


def holder(model: Any) -> Any:
    """The optimizer of a compiled model that holds masks (inside a LossScaleOptimizer, the inner one)."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not hasattr(optimizer, "set_masks"):
        found = "it is not compiled" if optimizer is None else f"its optimizer is {type(optimizer).__name__}"
        raise ValueError(
            f"model {getattr(model, 'name', model)!r} cannot hold masks in training: {found}; "
            "use model.compile(pruning.masked(optimizer), ...)"
        )
    return optimizer


def silent(graph: ChannelGraph) -> dict[str, np.ndarray]:
    """Channels that are masked already: nothing that makes or carries them is other than zero.

    Returns:
        prunable group -> bool (size,). Groups that only `include` or `exclude` locked are not looked at.
    """
    found = {}
    values: dict[int, np.ndarray] = {}
    for group in graph.prunable:
        alive = np.zeros(group.size, dtype=bool)
        written = any(p.slice.zero for m in group.members if m.role != "reads" for p in m.parts)
        for member in group.members:
            if written and member.role == "reads":  # readers alone tell where makers must not be zero
                continue
            for part in member.parts:
                variable = part.slice.variable
                if not part.slice.zero:
                    continue
                if id(variable) not in values:
                    values[id(variable)] = np.asarray(variable) != 0
                nonzero = np.moveaxis(values[id(variable)], part.slice.axis, 0)
                used = np.any(nonzero.reshape(len(nonzero), -1), axis=1)
                np.logical_or.at(alive, part.units, used[part.positions])
        found[group.name] = ~alive
    return found
