"""What an object has around its network: its class, config, name and variables of its own."""

import inspect
from typing import Any

import keras
import numpy as np


def surrounded(model: Any, network: Any, twin: Any) -> tuple[Any, dict[int, Any]]:
    """A model of the class of another around another network; id of its own variables -> the new ones.

    Raises:
        ValueError: the class makes other variables around its network than the model has.
    """
    if network is model:
        return twin, {}
    takes = inspect.signature(type(model)).parameters.values()
    named = any(taken.name == "name" or taken.kind == taken.VAR_KEYWORD for taken in takes)
    name = {"name": model.name} if named and isinstance(model, keras.Model) else {}
    outer = type(model)(model.config, network=twin, **name)
    return outer, _carry_around(model, outer, network, twin)


def _carry_around(model: Any, outer: Any, network: Any, twin: Any) -> dict[int, Any]:
    """What an object around a network owns itself: its own variables, in order."""
    inside = {id(variable) for variable in (*network.variables, *twin.variables)}
    mine, theirs = (
        [variable for variable in getattr(one, "variables", []) if id(variable) not in inside]
        for one in (model, outer)
    )
    if [tuple(v.shape) for v in mine] != [tuple(v.shape) for v in theirs]:
        raise ValueError(
            f"{type(model).__name__}(config, network=...) makes other variables around its network than the model "
            f"has: {[v.path for v in theirs]} instead of {[v.path for v in mine]}"
        )
    for variable, new in zip(mine, theirs, strict=True):
        new.assign(np.asarray(variable))
    return {id(variable): new for variable, new in zip(mine, theirs, strict=True)}
