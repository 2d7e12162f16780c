"""The config of a Functional model, and what of it says how its layers are called."""

from typing import Any
from weakref import WeakKeyDictionary

import keras

_EDGES: WeakKeyDictionary[Any, dict] = WeakKeyDictionary()


def graph_config(network: Any) -> dict:
    """The config of a Functional model, with its layers and edges, whatever its class writes into its own.

    The configs of nested models are not to be used: they may be of such a class; see `pruning.graph.walk.replay`.
    """
    kind = type(network)
    if all(method.__module__.startswith("keras.") for method in (kind.__init__, kind.get_config)):
        config = network.get_config()
        if "input_layers" in config:
            return config
    return keras.Model(network.input, network.output, name=network.name).get_config()


def edges(network: Any) -> dict:
    """The same without the configs of the layers, which do not change the edges: read once for a model."""
    if network not in _EDGES:
        config = graph_config(network)
        layers = [{key: layer[key] for key in ("name", "class_name", "inbound_nodes")} for layer in config["layers"]]
        _EDGES[network] = {
            "layers": layers, "input_layers": config["input_layers"], "output_layers": config["output_layers"]
        }  # fmt: skip
    return _EDGES[network]
