"""Compiling a rebuilt model as the first was, with the state of its optimizer."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from pruning.removal.rebuild import Cuts, cut


def recompile(model: Any, smaller: Any, counterparts: Mapping[int, Any], cuts: Cuts) -> None:
    """Compile `smaller` as `model` is: same optimizer, its steps, moments and masks, cut like the weights.

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
    arguments["optimizer"] = type(model.optimizer).from_config(model.optimizer.get_config())
    taken = set(inspect.signature(smaller.compile).parameters)
    if lost := sorted(set(arguments) - taken):  # of a class that comes back as a plain model
        warnings.warn(f"compile arguments of {type(model).__name__} are not carried over: {lost}", stacklevel=3)
    smaller.compile(**{name: value for name, value in arguments.items() if name in taken})
    _carry_state(model.optimizer, smaller.optimizer, counterparts, cuts)


def _fresh(metric: Any) -> Any:
    return type(metric).from_config(metric.get_config()) if isinstance(metric, keras.metrics.Metric) else metric


def _carry_state(old: Any, new: Any, counterparts: Mapping[int, Any], cuts: Cuts) -> None:
    if not old.built:
        return
    if any(id(variable) not in counterparts for variable in old._trainable_variables):
        warnings.warn("the optimizer starts anew: it also trained weights that are not carried over", stacklevel=4)
        return
    belongs = _build(new, [counterparts[id(variable)] for variable in old._trainable_variables])
    axes = {id(counterparts[key]): cut_axes for key, cut_axes in cuts.items() if key in counterparts}
    fresh = []
    for mine, theirs in zip(old.variables, new.variables, strict=True):
        value = np.asarray(mine)
        if value.shape != tuple(theirs.shape) and id(theirs) in belongs:
            value = cut(value, axes.get(belongs[id(theirs)], []))
        if value.shape == tuple(theirs.shape):
            theirs.assign(value)
        else:
            fresh.append(mine.path)
    if fresh:
        warnings.warn(
            f"{type(old).__name__} keeps state that does not have the shape of a weight ({', '.join(fresh)}): "
            "it starts anew",
            stacklevel=4,
        )


def _build(optimizer: Any, variables: list) -> dict[int, int]:
    """Build an optimizer; id of each of its variables -> id of the weight that it belongs to."""
    belongs: dict[int, int] = {}
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    add = inner.add_variable_from_reference

    def noting(reference_variable: Any, *args: Any, **kwargs: Any) -> Any:
        slot = add(reference_variable, *args, **kwargs)
        belongs[id(slot)] = id(reference_variable)
        return slot

    inner.add_variable_from_reference = noting
    try:
        optimizer.build(variables)
    finally:
        del inner.add_variable_from_reference
    for path, mask in getattr(inner, "masks", {}).items():
        belongs[id(mask)] = next(id(variable) for variable in variables if variable.path == path)
    return belongs
