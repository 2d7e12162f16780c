"""Walks a Functional model: every layer call, in order, nested models opened, shared layers called again.

Keras has no public node API, so the edges are read from `Functional.get_config()`, which is public and
serialised; shapes come from each layer's `compute_output_spec`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from pruning.graph.graph_edges import edges
from pruning.wrong_objects import needs_model


@dataclass(eq=False)
class Call:
    """One call of one layer (or raw Keras operation).

    Attributes:
        layer: the instance whose weights are used.
        path: its name after those of the nested models around it, "features/conv1".
        part: name of the outermost nested model around it, else the model's own name.
        args, kwargs: what it is called with; tensors are `keras.KerasTensor`.
        inputs, outputs: the tensors among them, flattened in order.
        node: how many times its model called it before.
        rule: the `pruning.layers.layer_rule.LayerRule` that answers for it, once a graph is made.
        inner: the calls that a wrapper makes of the layers it holds, noted by its rule.
    """

    layer: Any
    path: str
    part: str
    args: tuple
    kwargs: dict
    inputs: list
    outputs: list
    node: int = 0
    rule: Any = None
    inner: list["Call"] = field(default_factory=list)

    @property
    def data(self) -> list:
        """The inputs without masks, which say what counts and hold no channels."""
        masks = {id(leaf) for leaf in keras.tree.flatten(self.kwargs.get("mask"))}
        return [tensor for tensor in self.inputs if id(tensor) not in masks]


@dataclass(eq=False)
class Walk:
    """All calls of a model, and its input and output tensors by name.

    Attributes:
        entries: path of a nested model's InputLayer (of the model itself, where it is Sequential) and a tensor
            that enters there, for every call of a nested model.
    """

    name: str
    inputs: dict[str, Any]
    calls: list[Call] = field(default_factory=list)
    entries: list[tuple[str, Any]] = field(default_factory=list)
    outputs: list[tuple[str, Any]] = field(default_factory=list)


def network_of(model: Any) -> Any:
    """The Functional (or Sequential) model to walk: `model.network` where there is one, else the model
    itself.

    Raises:
        TypeError: neither; a subclassed model has no graph to read.
    """
    needs_model(model)
    network = getattr(model, "network", model)
    if not (is_functional(network) or isinstance(network, keras.Sequential)):
        raise TypeError(
            f"pruning reads Functional or Sequential Keras models, or an object whose .network is one; got "
            f"{type(network).__name__}. Express the learnable part as keras.Model(inputs, outputs)"
        )
    return network


def declared_inputs(model: Any) -> dict[str, tuple]:
    """Input name -> the shape it was declared with; None where any size goes."""
    network = network_of(model)
    if not is_functional(network):
        return {"input": tuple(network.inputs[0].shape)}
    names = [leaf[0] for leaf in _leaves(edges(network)["input_layers"])]
    return {name: tuple(tensor.shape) for name, tensor in zip(names, network.inputs, strict=True)}


def walk(model: Any, input_shapes: dict[str, tuple] | tuple | None = None) -> Walk:
    """Walk a model.

    Args:
        model: Functional or Sequential model, or an object with `.network`.
        input_shapes: full shapes (batch axis included) by input name, or one shape for the only input;
            default, the shapes the model was declared with.

    Raises:
        ValueError: an input's name or rank does not fit.
    """
    network = network_of(model)
    if isinstance(network, keras.Sequential) and not network.built:
        raise ValueError(f"model {network.name!r} is not built: call it, or begin it with keras.Input, first")
    declared, config = {"input": network.inputs[0]}, None
    if is_functional(network):
        config = edges(network)
        declared = dict(zip([leaf[0] for leaf in _leaves(config["input_layers"])], network.inputs, strict=True))
    found = Walk(network.name, _given_shapes(network.name, declared, input_shapes))
    outputs, names = replay(network, config, found.inputs, _Walker(found, "", ""))
    for call in found.calls:
        call.part = call.part or network.name
    found.outputs = list(zip(names, outputs, strict=True))
    return found


def replay(network: Any, config: dict | None, inputs: Mapping[str, Any], call: Callable) -> tuple[list, list[str]]:
    """Run a model's graph again, call by call.

    Args:
        network: Functional or Sequential model.
        config: `edges` of a Functional one.
        inputs: input name -> the tensor that enters there (for a Sequential the only one).
        call: (layer, node, args, kwargs) -> flat list of output tensors; `node` counts the layer's calls in this
            model.

    Returns:
        the output tensors, flat, and their names.
    """
    if config is None:
        outputs = list(inputs.values())
        for layer in network.layers:
            outputs = call(layer, 0, (outputs[0],), {})
        return outputs, [network.layers[-1].name]
    return _replay_functional(network, config, inputs, call)


def is_functional(layer: Any) -> bool:
    """Whether it is a Functional model."""
    return (
        isinstance(layer, keras.Model)
        and not isinstance(layer, keras.Sequential)
        and hasattr(layer, "operations")
        and hasattr(layer, "inputs")
    )


def _given_shapes(name: str, declared: dict, shapes: Any) -> dict:
    if shapes is None:
        return {key: keras.KerasTensor(tensor.shape, tensor.dtype) for key, tensor in declared.items()}
    if not isinstance(shapes, dict):
        if len(declared) != 1:
            raise ValueError(
                f"model {name!r} has inputs {', '.join(declared)}: give input_shapes as a dict of those"
            )
        shapes = {next(iter(declared)): shapes}
    if set(shapes) != set(declared):
        raise ValueError(
            f"input_shapes names {', '.join(sorted(shapes))}; "
            f"model {name!r} has inputs {', '.join(sorted(declared))}"
        )
    found = {}
    for key, tensor in declared.items():
        shape = tuple(shapes[key])
        fits = len(shape) == len(tensor.shape) and all(
            d is None or n == d for n, d in zip(shape[1:], tensor.shape[1:], strict=True)
        )
        if not fits:
            raise ValueError(
                f"input_shapes[{key!r}] is {shape}; expected {tensor.shape}, batch axis included"
            )
        found[key] = keras.KerasTensor(shape, tensor.dtype)
    return found


def _replay_functional(network: Any, config: dict, inputs: Mapping, call: Callable) -> tuple[list, list[str]]:
    operations = {operation.name: operation for operation in network.operations}
    layers = {layer["name"]: layer for layer in config["layers"]}
    made: dict[tuple[str, int, int], Any] = {(name, 0, 0): tensor for name, tensor in inputs.items()}
    pending = [
        (name, index, node)
        for name, layer in layers.items()
        if layer["class_name"] != "InputLayer"
        for index, node in enumerate(layer["inbound_nodes"])
    ]
    while pending:
        waiting = []
        for name, index, node in pending:
            if not all(key in made for key in _histories(node)):
                waiting.append((name, index, node))
                continue
            args, kwargs = _revive(node["args"], made), _revive(node["kwargs"], made)
            outputs = call(operations[name], index, args, kwargs)
            made.update({(name, index, position): tensor for position, tensor in enumerate(outputs)})
        if len(waiting) == len(pending):
            raise ValueError(f"model {network.name!r}: no way to order the calls of {waiting[0][0]!r}")
        pending = waiting
    ends = []
    for name, index, position in _leaves(config["output_layers"]):
        # In `output_layers` (and only there) Keras counts one built-in node before a Functional's calls.
        ends.append((name, index - 1 if is_functional(operations[name]) else index, position))
    names = [end[0] for end in ends]
    struct = config["output_layers"]
    if isinstance(struct, dict) and len(struct) == len(ends):  # no structure inside: outputs go by their keys
        names = sorted(struct)
    return [made[end] for end in ends], names


class _Walker:
    """Notes every call of a model; opens the nested ones."""

    def __init__(self, found: Walk, prefix: str, part: str) -> None:
        self._found, self._prefix, self._part = found, prefix, part

    def __call__(self, layer: Any, node: int, args: Any, kwargs: dict) -> list:
        tensors = [leaf for leaf in keras.tree.flatten((args, kwargs)) if isinstance(leaf, keras.KerasTensor)]
        path = f"{self._prefix}{layer.name}"
        inside = _Walker(self._found, f"{path}/", self._part or layer.name)
        if is_functional(layer):
            config = edges(layer)
            inner = _bind(config["input_layers"], args, kwargs, tensors)
            self._found.entries += [(f"{path}/{name}", tensor) for name, tensor in inner.items()]
            return replay(layer, config, inner, inside)[0]
        if isinstance(layer, keras.Sequential):
            self._found.entries.append((path, tensors[0]))
            return replay(layer, None, {"input": tensors[0]}, inside)[0]
        kind = keras.Operation if isinstance(layer, keras.layers.EinsumDense) else type(layer)  # it may say None
        outputs = keras.tree.flatten(kind.compute_output_spec(layer, *args, **kwargs))
        # A layer may answer with its input's own spec: a tensor of its own keeps "who made it" unambiguous.
        outputs = [keras.KerasTensor(tensor.shape, tensor.dtype) for tensor in outputs]
        self._found.calls.append(Call(layer, path, self._part, tuple(args), dict(kwargs), tensors, outputs, node))
        return outputs


def _bind(struct: Any, args: Any, kwargs: dict, tensors: list) -> dict:
    """Inner input name -> tensor, for one call of a nested model."""
    given = args[0] if args else kwargs.get("inputs")
    if isinstance(struct, dict) and isinstance(given, dict) and set(struct) == set(given):
        return {leaf[0]: given[key] for key, leaf in struct.items()}
    names = [leaf[0] for leaf in _leaves(struct)]
    if len(names) != len(tensors):
        raise ValueError(f"a nested model with inputs {', '.join(names)} is called on {len(tensors)} tensors")
    return dict(zip(names, tensors, strict=True))


def _leaves(struct: Any) -> Iterator[tuple[str, int, int]]:
    """The [name, node, tensor] leaves of a config's inputs or outputs, in Keras's flattening order."""
    if isinstance(struct, dict):
        for key in sorted(struct):
            yield from _leaves(struct[key])
    elif len(struct) == 3 and isinstance(struct[0], str):
        yield struct[0], int(struct[1]), int(struct[2])
    else:
        for item in struct:
            yield from _leaves(item)


def _rebuild(value: Any, tensor: Callable[[tuple], Any]) -> Any:
    """A serialised argument structure as live objects, its Keras tensors given by `tensor(history)`."""
    if isinstance(value, list | tuple):
        return type(value)(_rebuild(item, tensor) for item in value)
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, node, position = value["config"]["keras_history"]
            return tensor((name, int(node), int(position)))
        if "class_name" in value and "config" in value:
            return keras.saving.deserialize_keras_object(value)
        return {key: _rebuild(item, tensor) for key, item in value.items()}
    return value


def _revive(value: Any, made: dict) -> Any:
    return _rebuild(value, made.__getitem__)


def _histories(value: Any) -> list[tuple[str, int, int]]:
    """Where the Keras tensors of a serialised argument structure come from."""
    if isinstance(value, list | tuple):
        return [history for item in value for history in _histories(item)]
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, node, position = value["config"]["keras_history"]
            return [(name, int(node), int(position))]
        return [history for item in value.values() for history in _histories(item)]
    return []
