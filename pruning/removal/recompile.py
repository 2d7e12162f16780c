"""Compiling a rebuilt model as the first was, with the state of its optimizer."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from pruning.masks.holding_optimizer import leaves
from pruning.masks.kernel_updates import keeps_step
from pruning.masks.mask_state import holding
from pruning.removal.optimizer_twin import twin
from pruning.removal.rebuild import Cuts, cut


def recompile(model: Any, smaller: Any, counterparts: Mapping[int, Any], cuts: Cuts) -> None:
    """Compile `smaller` as `model` is: same optimizer, its steps and moments, cut like the weights.

    Masks are carried where channels stay masked that the smaller model still has; otherwise its optimizer is of the
    class without masks, so that its file loads anywhere.

    Args:
        model: the first model; nothing happens if it is not compiled with an optimizer.
        smaller: the rebuilt one, changed in place.
        counterparts: id of a variable of the first -> that of the second.
        cuts: id of a variable of the first -> (axis, bool array of what stays).
    """
    if not getattr(model, "compiled", False) or model.optimizer is None:
        return
    # Keras has no public way to the live arguments; serialised ones would need every loss to be registered.
    arguments = {name: value for name, value in model._compile_config.config.items() if value is not None}
    for name in ("metrics", "weighted_metrics"):
        if name in arguments:
            arguments[name] = keras.tree.map_structure(_fresh, arguments[name])
    held = [pair for leaf in holding(model) for pair in leaf.held()]
    masks = any(not cut(np.asarray(mask), cuts.get(id(variable), [])).all() for variable, mask in held)
    trained = [variable for variable in model.trainable_variables if id(variable) in counterparts]
    pairs = [(variable, counterparts[id(variable)]) for variable in trained]
    arguments["optimizer"] = twin(model.optimizer, pairs, masks)
    takes = inspect.signature(smaller.compile).parameters
    any_name = any(one.kind == one.VAR_KEYWORD for one in takes.values())
    if lost := [] if any_name else sorted(set(arguments) - set(takes)):  # of a class that comes back as a plain model
        warnings.warn(f"compile arguments of {type(model).__name__} are not carried over: {lost}", stacklevel=3)
    smaller.compile(**{name: value for name, value in arguments.items() if name not in lost})
    _carry_state(model, smaller, counterparts, cuts)


def _fresh(metric: Any) -> Any:
    return type(metric).from_config(metric.get_config()) if isinstance(metric, keras.metrics.Metric) else metric


def _carry_state(model: Any, smaller: Any, counterparts: Mapping[int, Any], cuts: Cuts) -> None:
    old, new = model.optimizer, smaller.optimizer
    if not old.built:
        return
    if any(id(variable) not in counterparts for variable in old._trainable_variables):
        warnings.warn("the optimizer starts anew: it also trained weights that are not carried over", stacklevel=4)
        return
    belongs = _build(new, [counterparts[id(variable)] for variable in old._trainable_variables])
    dropped = set() if holding(smaller) else {id(mask) for leaf in holding(model) for _, mask in leaf.held()}
    axes = {id(counterparts[key]): cut_axes for key, cut_axes in cuts.items() if key in counterparts}
    fresh = []
    carried = [variable for variable in old.variables if id(variable) not in dropped]
    for mine, theirs in zip(carried, new.variables, strict=True):
        value = np.asarray(mine)
        if value.shape != tuple(theirs.shape) and id(theirs) in belongs:
            value = cut(value, axes.get(belongs[id(theirs)], []))
        if value.shape == tuple(theirs.shape):
            theirs.assign(value)
        else:
            fresh.append(mine.path)
    kinds = {type(leaf).__name__: keeps_step(type(leaf)) for leaf in leaves(new)}
    kind = next((name for name, keeps in kinds.items() if not keeps), next(iter(kinds)))
    why = []
    if not kinds[kind]:
        why.append("divides by means over the whole kernel, which is smaller now")
    if fresh:
        why.append(f"keeps state that does not have the shape of a weight ({', '.join(fresh)}), which starts anew")
    if why:
        warnings.warn(
            f"{kind} {' and '.join(why)}: the smaller model does not train on step by step as the masked one would",
            stacklevel=5,
        )


def _build(optimizer: Any, variables: list) -> dict[int, int]:
    """Build an optimizer; id of each of its variables -> id of the weight that it belongs to."""
    belongs: dict[int, int] = {}
    inner = leaves(optimizer)
    for leaf in inner:
        _note_slots(leaf, belongs)
    try:
        optimizer.build(variables)
    finally:
        for leaf in inner:
            del leaf.add_variable_from_reference
    for leaf in inner:
        if hasattr(leaf, "held"):
            belongs.update((id(mask), id(variable)) for variable, mask in leaf.held())
    return belongs


def _note_slots(optimizer: Any, belongs: dict[int, int]) -> None:
    add = optimizer.add_variable_from_reference

    def noting(reference_variable: Any, *args: Any, **kwargs: Any) -> Any:
        slot = add(reference_variable, *args, **kwargs)
        belongs[id(slot)] = id(reference_variable)
        return slot

    optimizer.add_variable_from_reference = noting
