"""A model built again from an edited config, with weights by path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pruning.compression.network_config import NetworkConfig
from pruning.graph.walk import network_of
from pruning.removal.rebuild import around, built_again, pairs

Weights = dict[str, list[np.ndarray]]
"""Path of a layer, "features/conv1" -> its weights in Keras's order."""


def weights_of(model: Any) -> Weights:
    """Every layer's weights by path; nested models have none of their own."""
    network = network_of(model)
    return {
        path: [np.asarray(weight) for weight in layer.weights]
        for path, layer, _ in pairs(network, network)
        if layer.weights and not hasattr(layer, "layers")
    }


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
    weights = weights_of(network)
    twin = built_again(network, lambda config: edit(NetworkConfig(config), weights))
    trainable = {path: layer.trainable for path, layer, _ in pairs(network, network)}
    twin.trainable = network.trainable
    for path, layer, _ in pairs(twin, twin):
        layer.trainable = trainable.get(path, layer.trainable)
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
    return around(model, network, twin)[0]
