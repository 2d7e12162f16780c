"""Building a model again from its config, with the weights, flags and names that it had."""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from pruning.graph.walk import is_functional, network_of

Edit = Callable[[dict], None]
Cuts = Mapping[int, list[tuple[int, np.ndarray]]]


def rebuild(model: Any, edit: Edit | None = None, cuts: Cuts | None = None) -> tuple[Any, dict[int, Any]]:
    """A second model of the same class, with the weights, trainable flags and names of the first; not compiled.

    Args:
        model: Functional or Sequential model, or an object with `.network` and `.config` whose class is called
            as `type(model)(config, network=...)`.
        edit: changes the network's config in place before anything is built.
        cuts: id of a variable -> (axis, bool array of what stays) for every axis that gets shorter.

    Returns:
        the model; id of every variable of the first -> the variable of the second.

    Raises:
        ValueError: a layer comes back with other weights than expected; or it is shared between nested models.
    """
    network = network_of(model)

    def edited(config: dict) -> None:
        if edit is not None:
            edit(config)
        _without_draws(config, {path: layer for path, layer, _ in pairs(network, network)})

    twin = built_again(network, edited)
    found = _carry(network, twin, cuts or {})
    outer, own = around(model, network, twin)
    return outer, {**found, **own}


def built_again(network: Any, edit: Edit) -> Any:
    """A second network from the config of the first, edited in place; its weights are new."""
    config = _without_build_configs(copy.deepcopy(network.get_config()))
    edit(config)
    config.pop("trainable", None)
    with keras.saving.custom_object_scope(_custom_objects(network)):
        return type(network).from_config(config)


def around(model: Any, network: Any, twin: Any) -> tuple[Any, dict[int, Any]]:
    """What a model is around its network, around another one: of the same class, with variables of the same values.

    Returns:
        `twin` itself where `model` is `network`; id of every variable of the model's own -> the other's.
    """
    if network is model:
        return twin, {}
    takes = inspect.signature(type(model)).parameters.values()
    named = any(taken.name == "name" or taken.kind == taken.VAR_KEYWORD for taken in takes)
    name = {"name": model.name} if named and isinstance(model, keras.Model) else {}
    outer = type(model)(model.config, network=twin, **name)
    return outer, _carry_own(model, outer, network, twin)


def pairs(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, layer and its counterpart, nested models before their layers."""
    twins = {layer.name: layer for layer in new.layers}
    for layer in old.layers:
        yield f"{path}{layer.name}", layer, twins[layer.name]
        if _is_model(layer):
            yield from pairs(layer, twins[layer.name], f"{path}{layer.name}/")


def cut(value: np.ndarray, axes: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """An array without what does not stay along each of `axes`."""
    for axis, stays in axes:
        value = np.compress(stays, value, axis=axis)
    return value


def _is_model(layer: Any) -> bool:
    return is_functional(layer) or isinstance(layer, keras.Sequential)


def _without_build_configs(config: Any) -> Any:
    """The config without shapes that layers were built with: they would not fit other widths."""
    if isinstance(config, dict):
        return {key: _without_build_configs(item) for key, item in config.items() if key != "build_config"}
    if isinstance(config, list | tuple):
        return type(config)(_without_build_configs(item) for item in config)
    return config


def _without_draws(config: dict, layers: Mapping[str, Any], prefix: str = "") -> None:
    """Let a network's weights begin as zeros, in place: drawing what is overwritten is a third of a removal's time."""
    for entry in config["layers"]:
        inner = entry["config"]
        path = f"{prefix}{inner['name']}"
        if "layers" in inner:
            _without_draws(inner, layers, f"{path}/")
            continue
        for key in inner:
            if key in _initializers(layers.get(path)):
                inner[key] = "zeros"


def _initializers(layer: Any) -> dict[str, Any]:
    """Attribute -> initializer of a layer's weights."""
    found = vars(layer).items() if layer is not None else ()
    return {key: value for key, value in found if isinstance(value, keras.initializers.Initializer)}


def _custom_objects(network: Any) -> dict[str, Any]:
    """Layer classes and functions of a model by name, so that none has to be registered with Keras."""
    found = {}
    for _, layer, _ in pairs(network, network):
        for item in (type(layer), getattr(layer, "activation", None)):
            if item is not None and hasattr(item, "__name__") and item.__module__.split(".")[0] != "keras":
                found[keras.saving.get_registered_name(item)] = item
    return found


def _carry(network: Any, twin: Any, cuts: Cuts) -> dict[int, Any]:
    """Give the twin the network's weights, as far as they stay, its seeds and its trainable flags."""
    found: dict[int, Any] = {}
    twin.trainable = network.trainable
    owners: dict[int, str] = {}
    for path, layer, other in pairs(network, twin):
        other.trainable = layer.trainable  # after that of the model around it, which sets all within
        if _is_model(layer):
            continue
        for key, initializer in _initializers(layer).items():
            setattr(other, key, initializer)
        if id(layer) in owners and layer.variables:
            raise ValueError(
                f"layer {path!r} is the same as {owners[id(layer)]!r} of another nested model: a config cannot "
                "say so. Call the nested model itself twice, or give each a layer of its own"
            )
        owners[id(layer)] = path
        mine, theirs = layer.variables, other.variables
        values = [cut(np.asarray(variable), cuts.get(id(variable), [])) for variable in mine]
        expected, shapes = [value.shape for value in values], [tuple(v.shape) for v in theirs]
        if expected != shapes:
            raise ValueError(
                f"layer {path!r} ({type(layer).__name__}) comes back from its config with weights of shapes "
                f"{shapes}; expected {expected}. Its class must take their sizes from its input's shape, or "
                "from `filters` or `units` in its config"
            )
        for variable, value, new in zip(mine, values, theirs, strict=True):
            new.assign(value)
            found[id(variable)] = new
        if hasattr(other, "finalize_state"):  # Normalization computes with a copy of its statistics
            other.finalize_state()
    return found


def _carry_own(model: Any, outer: Any, network: Any, twin: Any) -> dict[int, Any]:
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
