"""A model built again from an edited config, with weights by path."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from pruning.compression.network_config import NetworkConfig
from pruning.graph.graph_edges import graph_config
from pruning.graph.walk import is_functional, network_of
from pruning.removal.held_objects import custom_objects
from pruning.removal.rebuild import around

Weights = dict[str, list[np.ndarray]]
"""Path of a layer, "features/conv1" -> its weights in Keras's order."""


def layers_by_path(network: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and layer of every layer of a Functional or Sequential model, nested models opened."""
    for layer in network.layers:
        if _is_network(layer):
            yield from layers_by_path(layer, f"{path}{layer.name}/")
        else:
            yield f"{path}{layer.name}", layer


def network_config(network: Any) -> dict:
    """All of a Functional or Sequential model, nested ones included, whatever their classes write into configs."""
    plain = keras.Sequential.get_config(network) if isinstance(network, keras.Sequential) else graph_config(network)
    config = _without_build_configs(copy.deepcopy(plain))
    config.pop("trainable", None)
    layers = {layer.name: layer for layer in getattr(network, "operations", network.layers)}
    for entry in config["layers"]:
        inner = layers.get(entry["config"].get("name", entry.get("name")))
        if inner is not None and _is_network(inner):
            entry["config"] = network_config(inner)
            if entry["class_name"] not in ("Functional", "Sequential"):  # a class that makes its layers itself
                sequential = isinstance(inner, keras.Sequential)
                kind = keras.Sequential if sequential else type(keras.Model(inner.input, inner.output))
                entry |= {"module": kind.__module__, "class_name": kind.__name__, "registered_name": None}
    return config


def rewritten(model: Any, edit: Callable[[NetworkConfig, Weights], Any]) -> Any:
    """A second model of the same class, its layers and weights edited; not compiled.

    Args:
        model: Functional or Sequential model, or an object with `.network` and `.config`.
        edit: changes the network's config and the weights in place.

    Returns:
        the model; trainable flags are those of the layers of the same paths.

    Raises:
        ValueError: a layer comes back with other weights than those it is to have.
    """
    network = network_of(model)
    layers = dict(layers_by_path(network))
    weights = {path: [np.asarray(one) for one in layer.weights] for path, layer in layers.items() if layer.weights}
    config = network_config(network)
    edit(NetworkConfig(config), weights)
    kind = keras.Sequential if isinstance(network, keras.Sequential) else keras.Model
    with keras.saving.custom_object_scope(custom_objects(network)):
        twin = kind.from_config(config)
    twin.trainable = network.trainable
    for path, layer in layers_by_path(twin):
        if path in layers:
            layer.trainable = layers[path].trainable
        values = weights.get(path)
        if values is None:
            continue
        expected, shapes = [value.shape for value in values], [tuple(weight.shape) for weight in layer.weights]
        if expected != shapes:
            raise ValueError(
                f"layer {path!r} ({type(layer).__name__}) comes back from its config with weights of shapes {shapes}; "
                f"expected {expected}"
            )
        layer.set_weights(values)
        if hasattr(layer, "finalize_state"):  # Normalization computes with a copy of its statistics
            layer.finalize_state()
    return around(model, twin)


def _is_network(layer: Any) -> bool:
    return is_functional(layer) or isinstance(layer, keras.Sequential)


def _without_build_configs(config: Any) -> Any:
    """The config without shapes that layers were built with: they would not fit other layers."""
    if isinstance(config, dict):
        return {key: _without_build_configs(item) for key, item in config.items() if key != "build_config"}
    if isinstance(config, list | tuple):
        return type(config)(_without_build_configs(item) for item in config)
    return config
