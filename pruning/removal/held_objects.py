"""What a layer holds: other layers, functions, initializers, and the classes that a rebuild must know."""

import types
from collections.abc import Iterator
from typing import Any

import keras

from pruning.graph.walk import is_functional


def is_model(layer: Any) -> bool:
    return is_functional(layer) or isinstance(layer, keras.Sequential)


def functions_of(layer: Any) -> dict[str, Any]:
    """Attribute -> function that Keras does not find by its name: a user's own, a raw operation as an activation."""
    found = {key: value for key, value in vars(layer).items() if isinstance(value, types.FunctionType)}
    return {key: value for key, value in found.items() if not _found_by_keras(value)}


def initializers_of(layer: Any) -> dict[str, Any]:
    """Attribute -> initializer of a layer's weights."""
    return {key: value for key, value in vars(layer).items() if isinstance(value, keras.initializers.Initializer)}


def custom_objects(network: Any) -> dict[str, Any]:
    """Layer classes and functions of a model by name, so that none has to be registered with Keras."""
    found = {}
    for layer in _every(network):
        for item in (type(layer), *functions_of(layer).values()):
            if not _found_by_keras(item):
                found[keras.saving.get_registered_name(item)] = item
    return found


def _found_by_keras(item: Any) -> bool:
    raw = isinstance(item, types.FunctionType) and item.__module__.startswith("keras.src.ops.")
    return item.__module__.split(".")[0] == "keras" and not (raw and not hasattr(keras.activations, item.__name__))


def _every(layer: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """A layer, and all layers that it holds as attributes, each once."""
    seen = set() if seen is None else seen
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield layer
    for held in [layer.layers] if is_model(layer) else vars(layer).values():
        for other in held if isinstance(held, list | tuple) else (held,):
            if isinstance(other, keras.Operation):
                yield from _every(other, seen)
