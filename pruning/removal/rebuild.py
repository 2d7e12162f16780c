"""Building a model again, layer by layer and call by call, with the weights, flags and names that it had."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from pruning.graph.graph_edges import edges
from pruning.graph.walk import is_functional, network_of, replay
from pruning.removal.held_objects import custom_objects, initializers_of, is_model
from pruning.removal.narrowing import Narrowing
from pruning.removal.remade import arguments_of, constructor_of, remade, untold
from pruning.removal.surroundings import surrounded

Cuts = Mapping[int, list[tuple[int, np.ndarray]]]


def rebuild(model: Any, narrowing: Narrowing | None = None, cuts: Cuts | None = None) -> tuple[Any, dict[int, Any]]:
    """A second model of the same class, with the weights, trainable flags and names of the first; not compiled.

    Every layer is made again from its own config and called as in the first model. A Functional class that builds
    its layers itself cannot be told of other widths: a plain `keras.Model` comes back in its place, with a warning.

    Args:
        model: Functional or Sequential model, or an object with `.network` and `.config` whose class is called
            as `type(model)(config, network=...)`.
        narrowing: what gets narrower.
        cuts: id of a variable -> (axis, bool array of what stays) for every axis that gets shorter.

    Returns:
        the model; id of every variable of the first -> the variable of the second.

    Raises:
        ValueError: a layer comes back with other weights than expected.
    """
    network = network_of(model)
    builder = _Builder(narrowing, cuts or {})
    with keras.saving.custom_object_scope(custom_objects(network)):
        twin = builder.model(network, "")
    found = builder.carry()
    found.update(builder.carry_own(network, twin, found))
    if builder.lost:
        warnings.warn(". ".join(builder.lost), stacklevel=3)
    outer, own = surrounded(model, network, twin)
    return outer, found | own


def around(model: Any, twin: Any) -> Any:
    """A model of the class of another, with the same variables of its own, around a network made from its network.

    Args:
        model: as for `rebuild`.
        twin: Functional where the model's network is, Sequential where that is, with inputs and outputs alike.
    """
    network, builder = network_of(model), _Builder(None, {})
    if is_functional(network) and type(network) is not type(twin):
        twin = builder.assembled(network, twin.input, twin.output)
    if builder.lost:
        warnings.warn(". ".join(builder.lost), stacklevel=4)
    return surrounded(model, network, twin)[0]


def cut(value: np.ndarray, axes: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """An array without what does not stay along each of `axes`."""
    for axis, stays in axes:
        value = np.compress(stays, value, axis=axis)
    return value


class _Builder:
    """Makes every layer and nested model once, however often and wherever it is called.

    Attributes:
        lost: sentences about what the new model lacks.
    """

    def __init__(self, narrowing: Narrowing | None, cuts: Cuts) -> None:
        self._narrowing, self._cuts = narrowing, cuts
        self._models: dict[int, tuple[Any, Any]] = {}
        self._layers: dict[int, tuple[str, Any, Any]] = {}
        self.lost: list[str] = []

    def model(self, network: Any, path: str) -> Any:
        """The counterpart of a model; `path` ends with a slash where it is nested."""
        if id(network) not in self._models:
            make = self._functional if is_functional(network) else self._sequential
            self._models[id(network)] = network, make(network, path)
        return self._models[id(network)][1]

    def _functional(self, network: Any, path: str) -> Any:
        config = edges(network)
        tensors = {}
        for layer in network.layers:
            if isinstance(layer, keras.layers.InputLayer):
                tensors[layer.name] = self._input(layer, f"{path}{layer.name}").output
        outputs, _ = replay(network, config, tensors, lambda *call: self._call(path, *call))
        names = [layer.name for layer in _input_layers(network, config)]
        inputs = keras.tree.pack_sequence_as(network.input, [tensors[name] for name in names])
        return self.assembled(network, inputs, keras.tree.pack_sequence_as(network.output, outputs))

    def _sequential(self, network: Any, path: str) -> Any:
        kind = type(network)
        if kind.__init__ is not keras.Sequential.__init__:
            self._tell_lost(network, "keras.Sequential")
            kind = keras.Sequential
        stated = keras.Sequential.get_config(network)["layers"][0]
        shape = self._shape(path.removesuffix("/"), tuple(network.inputs[0].shape))
        layers = [self._layer(layer, f"{path}{layer.name}") for layer in network.layers]
        if stated["class_name"] == "InputLayer":
            first = keras.layers.InputLayer.from_config({**stated["config"], "batch_shape": shape})
            return kind([first, *layers], name=network.name)
        twin = kind(layers, name=network.name)
        twin.build(shape)
        return twin

    def _call(self, around: str, layer: Any, node: int, args: Any, kwargs: dict) -> list:
        path = f"{around}{layer.name}"
        if self._narrowing:
            args, kwargs = self._narrowing.arguments(path, node, args, kwargs)
        return keras.tree.flatten(self._called(layer, path, args, kwargs))

    def _called(self, layer: Any, path: str, args: Any, kwargs: dict) -> Any:
        """What the counterpart of a layer gives; where its config does not tell all, it is made as the layer was."""
        twin = self._layer(layer, path)
        if is_model(layer) or type(layer).__module__.startswith("keras."):
            return twin(*args, **kwargs)
        if not arguments_of(layer):
            return twin(*args, **kwargs)  # `carry` names what is wrong
        try:
            outputs = twin(*args, **kwargs)
            if [tuple(v.shape) for v in twin.variables] == self._shapes_left(layer):
                return outputs
        except Exception:  # noqa: BLE001, S110 - whatever the class raises; it is called once more below
            pass
        twin = self._as_it_was_made(layer)
        self._layers[id(layer)] = path, layer, twin
        return twin(*args, **kwargs)

    def _as_it_was_made(self, layer: Any) -> Any:
        """A layer from what its constructor was given, as narrow as it gets."""
        stated, config = layer.get_config(), self._config(layer)
        narrowed = {key: value for key, value in config.items() if value != stated.get(key)}
        return remade(layer, config | arguments_of(layer) | narrowed)

    def _shapes_left(self, layer: Any) -> list[tuple]:
        """Shapes of a layer's weights once they are cut."""
        found = []
        for variable in layer.variables:
            shape = list(variable.shape)
            for axis, stays in self._cuts.get(id(variable), []):
                shape[axis] = int(np.count_nonzero(stays))
            found.append(tuple(shape))
        return found

    def _config(self, layer: Any) -> dict:
        config = self._narrowing.config(layer) if self._narrowing else dict(layer.get_config())
        config = untold(layer, config) | config
        # What is overwritten need not be drawn: that is a third of a removal's time.
        return config | {key: "zeros" for key in initializers_of(layer) if key in config}

    def _layer(self, layer: Any, path: str) -> Any:
        if is_model(layer):
            return self.model(layer, f"{path}/")
        if id(layer) not in self._layers:
            try:
                twin = remade(layer, self._config(layer))
            except ValueError:
                if not arguments_of(layer):
                    raise
                twin = self._as_it_was_made(layer)
            self._layers[id(layer)] = path, layer, twin
        return self._layers[id(layer)][2]

    def _input(self, layer: Any, path: str) -> Any:
        config = layer.get_config()
        twin = type(layer).from_config({**config, "batch_shape": self._shape(path, tuple(config["batch_shape"]))})
        self._layers[id(layer)] = path, layer, twin
        return twin

    def _shape(self, path: str, shape: tuple) -> tuple:
        return self._narrowing.shape(path, shape) if self._narrowing else shape

    def assembled(self, network: Any, inputs: Any, outputs: Any) -> Any:
        """A model of the network's class around new tensors, or a plain one."""
        kind = type(network)
        parameters = constructor_of(kind)
        kinds = {parameter.kind for parameter in parameters.values()}
        if {"inputs", "outputs"} <= set(parameters):
            others = set(parameters) - {"self", "inputs", "outputs", "name", "trainable", "args", "kwargs"}
            settings = network.get_config() if others else {}
            settings = {key: value for key, value in settings.items() if key in others}
            if "name" in parameters or inspect.Parameter.VAR_KEYWORD in kinds:
                settings["name"] = network.name
            return kind(inputs=inputs, outputs=outputs, **settings)
        if {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds:
            return kind(inputs, outputs, name=network.name)
        self._tell_lost(network, "keras.Model")
        return keras.Model(inputs, outputs, name=network.name)

    def _tell_lost(self, network: Any, plain: str) -> None:
        own = [
            name
            for name in ("train_step", "test_step", "compute_loss", "compute_metrics", "call")
            if not getattr(type(network), name).__module__.startswith("keras.")
        ]
        without = f", without its own {', '.join(own)}" if own else ""
        self.lost.append(
            f"model {network.name!r}: {type(network).__name__} builds its layers itself, so that a plain {plain} of "
            f"the same layers comes back{without}"
        )

    def carry(self) -> dict[int, Any]:
        """Give the new layers the old ones' weights, as far as they stay, seeds, initializers and trainable flags."""
        found: dict[int, Any] = {}
        for network, twin in reversed(self._models.values()):  # what is around sets all within
            if not network.trainable:
                twin.trainable = False
        for path, layer, twin in self._layers.values():
            if not isinstance(layer, keras.layers.Layer):
                continue
            if twin.trainable != layer.trainable:
                twin.trainable = layer.trainable
            for key, initializer in initializers_of(layer).items():
                setattr(twin, key, initializer)
            news = _in_order(twin.variables, layer.variables)
            values = [cut(np.asarray(variable), self._cuts.get(id(variable), [])) for variable in layer.variables]
            expected, shapes = [value.shape for value in values], [tuple(v.shape) for v in news]
            if expected != shapes:
                raise ValueError(
                    f"layer {path!r} ({type(layer).__name__}) comes back from its config with weights of shapes "
                    f"{shapes}; expected {expected}. Its class must take their sizes from its input's shape, from "
                    "`filters` or `units` in its config, or from what the `width` of its pruning.LayerRule names"
                )
            for variable, value, new in zip(layer.variables, values, news, strict=True):
                new.assign(value)
                if new.trainable != variable.trainable:
                    new.trainable = variable.trainable
                found[id(variable)] = new
            if hasattr(twin, "finalize_state"):  # Normalization computes with a copy of its statistics
                twin.finalize_state()
        return found

    def carry_own(self, network: Any, twin: Any, carried: Mapping[int, Any]) -> dict[int, Any]:
        """What models hold beside their layers: carried where the new model has the same, else named in `lost`."""
        found: dict[int, Any] = {}
        new = {id(variable) for variable in carried.values()}
        for old, other in self._models.values():
            mine = [v for v in old.variables if id(v) not in carried and id(v) not in found]
            theirs = [v for v in other.variables if id(v) not in new]
            if [tuple(v.shape) for v in mine] == [tuple(v.shape) for v in theirs]:
                for variable, counterpart in zip(mine, theirs, strict=True):
                    counterpart.assign(np.asarray(variable))
                    found[id(variable)] = counterpart
                    new.add(id(counterpart))
            elif mine:
                names = ", ".join(variable.path for variable in mine)
                self.lost.append(f"model {old.name!r}: its own weights are not carried over: {names}")
        return found


def _in_order(new: list, old: list) -> list:
    """New variables in the order of the old ones, by name where names tell: quantising and LoRA change the order."""
    by_name = {variable.name: variable for variable in new}
    names = [variable.name for variable in old]
    told = len(by_name) == len(new) == len(names) and set(by_name) == set(names)
    return [by_name[name] for name in names] if told else new


def _input_layers(network: Any, config: dict) -> list[Any]:
    """InputLayers in the order of `network.inputs`."""
    by_tensor = {
        id(layer.output): layer for layer in network.layers if isinstance(layer, keras.layers.InputLayer)
    }
    return [by_tensor[id(tensor)] for tensor in network.inputs]
