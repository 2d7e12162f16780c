"""Masking: silences a plan's channels without changing a shape.

What a removed model would lack is zero here: the input slices of every reader, and every producer's kernel,
bias, batch-norm scale and shift (and moving mean, where there is no scale).
"""

from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph, graph_of
from pruning.masks.holding_optimizer import by_path
from pruning.masks.mask_notes import note_mask
from pruning.masks.mask_state import holding
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

    The masks are noted on the weights, so that `silent` and `cost` know them: also for a masked model that was
    loaded from a file without optimizer, which holds zeros but no masks.

    Args:
        model: the model whose weights are written.
        plan: made for this model's structure.
        graph: the model's graph, if it is at hand.

    Returns:
        variable path -> bool array of the variable's shape, False where it was zeroed; for every weight touched.
        Where two weights have one path (equal names in two nested models), the second is "path#2".

    Raises:
        ValueError: the plan was made for another structure.
    """
    pairs = _silence(plan, graph or graph_of(model))
    return dict(zip(by_path(variable for variable, _ in pairs), (keep for _, keep in pairs), strict=True))


def hold(model: Any, plan: Plan, graph: ChannelGraph | None = None) -> None:
    """Silence a plan's channels in place, and have the model's optimizer keep them so in training.

    Args:
        model: compiled with `pruning.masked(optimizer)`.
        plan: made for this model's structure.
        graph: the model's graph, if it is at hand.

    Raises:
        ValueError: as `apply_masks`; or the model's optimizer cannot hold masks.
    """
    optimizers = holders(model)
    pairs = _silence(plan, graph or graph_of(model))
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    for optimizer in optimizers:
        trained = {id(variable) for variable, _ in optimizer.held()}
        optimizer.set_masks([(variable, keep) for variable, keep in pairs if id(variable) in trained])
        if getattr(optimizer, "traced_before", False):
            optimizer.traced_before = False
            if getattr(model, "train_function", None) is not None:
                model.make_train_function(force=True)


def holders(model: Any) -> list[Any]:
    """The optimizers of a compiled model that hold masks: one, or several inside a MultiOptimizer.

    Raises:
        ValueError: there is none; says what to call.
    """
    found = holding(model)
    if not found:
        optimizer = getattr(model, "optimizer", None)
        why = "it is not compiled" if optimizer is None else f"its optimizer is {type(optimizer).__name__}"
        given = "optimizer" if optimizer is None else "model.optimizer"
        raise ValueError(
            f"model {getattr(model, 'name', model)!r} cannot hold masks in training: {why}; "
            f"use model.compile(pruning.masked({given}), ...)"
        )
    return found


def _silence(plan: Plan, graph: ChannelGraph) -> list[tuple[Any, np.ndarray]]:
    """Zero a plan's channels and note the masks; every weight touched, and where it stays (bool, of its shape)."""
    every = plan.channels(graph)
    masks: dict[int, tuple[Any, np.ndarray]] = {}
    for group in graph.groups:
        gone = every.get(group.name)
        for part in (part for member in group.members for part in member.parts if part.slice.zero):
            variable = part.slice.variable
            if gone is None:
                note_mask(variable, None)  # an earlier plan's
                continue
            _, keep = masks.setdefault(
                id(variable), (variable, np.ones(tuple(variable.shape), dtype=bool))
            )
            np.moveaxis(keep, part.slice.axis, 0)[part.at(gone)] = False
    for variable, keep in masks.values():
        variable.assign(np.where(keep, np.asarray(variable), 0))
        note_mask(variable, keep)
    return list(masks.values())
