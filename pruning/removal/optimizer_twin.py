"""An optimizer with the settings of another, for the variables of a smaller model."""

import copy
import re
import types
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

_BASE = (
    "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum", "ema_overwrite_frequency",
    "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip
_PLAIN = (bool, int, float, complex, str, bytes, type(None), re.Pattern, np.ndarray, np.generic, types.FunctionType)


def twin(optimizer: Any, pairs: Iterable[tuple[Any, Any]], masks: bool) -> Any:
    """An optimizer of the same class and settings, not built.

    Its config alone would not do: it lacks what is excluded from weight decay, and settings that a class of one's own
    does not write there; and a learning-rate schedule or a class that Keras does not know cannot be read from it.

    Args:
        optimizer: of the first model; a LossScaleOptimizer and a MultiOptimizer with those inside them.
        pairs: every trainable variable of the first model and that of the second.
        masks: whether the new one has to hold masks; else it is of the class without.
    """
    pairs = list(pairs)
    if hasattr(optimizer, "inner_optimizer"):
        return type(optimizer)(
            twin(optimizer.inner_optimizer, pairs, masks),
            initial_scale=optimizer.initial_scale,
            dynamic_growth_steps=optimizer.dynamic_growth_steps,
            name=optimizer.name,
        )
    if hasattr(optimizer, "optimizers"):
        made = {id(inner): twin(inner, pairs, masks) for inner in optimizer.optimizers}
        given = optimizer._optimizer_map
        chosen = keras.optimizers.OptimizerMap(
            made[id(given.default_optimizer)], {key: made[id(inner)] for key, inner in given.items()}
        )
        return type(optimizer)(chosen, loss_scale_factor=optimizer.loss_scale_factor, name=optimizer.name)
    kind = type(optimizer) if masks else getattr(type(optimizer), "plain", type(optimizer))
    new = _made(kind, optimizer)
    for name in _BASE:
        setattr(new, name, getattr(optimizer, name))
    internal = {*vars(keras.optimizers.Optimizer(learning_rate=0.0)), "traced_before"}
    for name, value in vars(optimizer).items():
        if name not in internal and not name.startswith(("_self_", "_exclude_from")) and _is_plain(value):
            setattr(new, name, copy.deepcopy(value))
    if hasattr(optimizer, "_exclude_from_weight_decay"):
        spared = optimizer._exclude_from_weight_decay
        new.exclude_from_weight_decay(var_list=[b for a, b in pairs if optimizer._var_key(a) in spared])
        new._exclude_from_weight_decay_pattern = optimizer._exclude_from_weight_decay_pattern
    return new


def _made(kind: Any, optimizer: Any) -> Any:
    """A new optimizer of class `kind`, by the way that its class offers, or by Keras's own where that fails."""
    rate = optimizer._learning_rate
    rate = float(rate) if isinstance(rate, keras.Variable) else rate
    try:
        config = optimizer.get_config()
        if "learning_rate" in config:
            config["learning_rate"] = rate  # itself: a schedule needs no registration then
        return kind.from_config(config)
    except (TypeError, ValueError, KeyError, AttributeError):
        made = kind.__new__(kind)
        keras.optimizers.Optimizer.__init__(made, learning_rate=rate, name=optimizer.name)
        return made


def _is_plain(value: Any) -> bool:
    """Whether it is a setting rather than state: nothing in it is a variable or another object."""
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_plain(item) for item in value)
    return isinstance(value, _PLAIN) or isinstance(value, type)
