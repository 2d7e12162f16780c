"""Layers of the same class again, from a config, and what a class is made with."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from pruning.removal.held_objects import functions_of


def remade(layer: Any, config: dict) -> Any:
    """A layer of the same class from a config, with the functions that the first has: nothing is loaded from a file.

    Raises:
        ValueError: the class cannot be made from the config.
    """
    if isinstance(layer, keras.layers.Lambda):
        shape = vars(layer).get("_output_shape")
        live = {"function": layer.function, "mask": layer.mask, "arguments": layer.arguments}
        return type(layer)(**config | live | ({"output_shape": shape} if callable(shape) else {}))
    try:
        twin = _from_config(type(layer), config)
    except Exception as error:
        why = f"{type(error).__name__}: {str(error).splitlines()[-1]}" if str(error) else type(error).__name__
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be made from its own config ({why}): its get_config "
            "must tell what its constructor takes"
        ) from error
    for key, function in functions_of(layer).items():
        if key in config:  # another function may have the same name
            setattr(twin, key, function)
    return twin


def _from_config(kind: Any, config: dict) -> Any:
    """A layer from its config; without what its constructor does not take, where it fails with that."""
    try:
        return kind.from_config(config)
    except TypeError:
        takes = {*inspect.signature(kind.__init__).parameters, "name", "trainable", "dtype"}
        if takes >= set(config):
            raise
        return kind.from_config({key: value for key, value in config.items() if key in takes})


def arguments_of(layer: Any) -> dict:
    """What a layer's constructor was given, as Keras records it where all of it is plain; {} where it is not."""
    recorded = getattr(layer, "_auto_config", None)
    return {} if recorded is None else dict(recorded.config)


def untold(layer: Any, config: dict) -> dict:
    """Arguments of the constructor of a user's layer that its config leaves out."""
    kind: Any = type(layer)
    own_reader = kind.from_config.__func__ is not keras.layers.Layer.from_config.__func__
    if kind.__module__.startswith("keras.") or own_reader:
        return {}
    takes = constructor_of(kind)
    return {key: value for key, value in arguments_of(layer).items() if key in takes and key not in config}


def constructor_of(kind: type) -> Mapping[str, inspect.Parameter]:
    """Parameters of the first constructor of a class that does not pass on whatever it is given, or of Keras's own."""
    everything = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    for one in kind.__mro__:
        if "__init__" in vars(one):
            parameters = inspect.signature(vars(one)["__init__"]).parameters
            passes_on = everything <= {parameter.kind for parameter in parameters.values()}
            if not passes_on or one.__module__.startswith("keras."):
                return parameters
    raise TypeError(f"{kind.__name__} has no constructor")
