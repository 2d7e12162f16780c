"""A network's config as calls and tensors that may be rerouted: layers put in, taken out, renamed.

Edits go into the config itself, nested models included; what is built from it afterwards is the edited network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Tensor = tuple[str, int, int]  # name of the layer that makes it, number of that layer's call, number of the output


@dataclass(eq=False)
class ConfigCall:
    """One call of one layer: its name, the call's number, and mutable references to the tensors that it reads."""

    name: str
    number: int
    sources: list[list]

    def reads(self) -> list[Tensor]:
        """The tensors that it reads, in order."""
        return [_key(source) for source in self.sources]


class NetworkConfig:
    """The config of a Functional or Sequential model.

    Args:
        config: of `get_config()`; edits change it.
        path: names of the nested models around it, each with a slash behind.

    Attributes:
        entries: layer name -> its entry in the config, in order.
        nested: layer name -> the NetworkConfig of a nested model.
        calls: every ConfigCall, each after those that it depends on.
    """

    def __init__(self, config: dict, path: str = "") -> None:
        self.config, self.path = config, path
        self.sequential = "input_layers" not in config
        self.entries: dict[str, dict] = {entry["config"]["name"]: entry for entry in config["layers"]}
        self.nested = {
            name: NetworkConfig(entry["config"], f"{path}{name}/")
            for name, entry in self.entries.items()
            if "layers" in entry["config"]
        }
        self._ends: list[list]
        self.calls, self._ends = self._chain() if self.sequential else self._graph()

    def everywhere(self) -> Iterator[NetworkConfig]:
        """This network and all nested ones."""
        yield self
        for inner in self.nested.values():
            yield from inner.everywhere()

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors that enter."""
        if self.sequential:
            return [("", 0, 0)]
        return [_key(leaf) for leaf in _leaves(self.config["input_layers"])]

    @property
    def outputs(self) -> list[Tensor]:
        """The tensors that leave, counted as in `calls`."""
        return [_key(end, self._first_call(end[0])) for end in self._ends]

    @property
    def outputs_have_keys(self) -> bool:
        """Whether the outputs are a dictionary; otherwise Keras names each after the layer that makes it."""
        return not self.sequential and isinstance(self.config["output_layers"], dict)

    def calls_of(self, name: str) -> list[ConfigCall]:
        """All calls of a layer."""
        return [call for call in self.calls if call.name == name]

    def maker(self, tensor: Tensor) -> ConfigCall | None:
        """The call that a tensor comes from; None for an input."""
        return next((call for call in self.calls if (call.name, call.number) == tensor[:2]), None)

    def readers(self, tensor: Tensor) -> list[ConfigCall]:
        """The calls that read a tensor."""
        return [call for call in self.calls if tensor in call.reads()]

    # Edits

    def insert(self, entry: dict, tensor: Tensor, readers: list[ConfigCall], outputs: bool) -> None:
        """Put a layer behind a tensor, for some of those that read it.

        Args:
            entry: class_name, config, module and registered_name of the layer; its name must be new.
            tensor: what it reads.
            readers: the calls that read the new layer's output instead.
            outputs: whether the network gives the new layer's output where it gave the tensor.
        """
        name = entry["config"]["name"]
        new = ConfigCall(name, 0, [list(tensor)])
        for call in readers:
            for source in call.sources:
                if _key(source) == tensor:
                    source[:] = [name, 0, 0]
        if outputs:
            for end in self._ends:
                if _key(end, self._first_call(end[0])) == tensor:
                    end[:] = [name, 0, 0]
        if not self.sequential:
            shown = {"shape": [None], "dtype": "float32", "keras_history": new.sources[0]}
            entry |= {"inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": shown}], "kwargs": {}}]}
        made_by = self.maker(tensor)
        self.calls.insert(0 if made_by is None else self.calls.index(made_by) + 1, new)
        self._add(entry, tensor[0])

    def remove(self, name: str) -> None:
        """Take out a layer that is called once on one tensor; its readers read that tensor."""
        (call,) = self.calls_of(name)
        (source,) = call.sources
        for other in self.calls:
            for reference in other.sources:
                if reference[0] == name:
                    reference[:] = source
        for end in self._ends:
            if end[0] == name:
                end[:] = [source[0], source[1] + self._first_call(source[0]), source[2]]
        self.calls.remove(call)
        self.config["layers"].remove(self.entries.pop(name))

    def rename(self, old: str, new: str) -> None:
        """Give a layer another name."""
        entry = self.entries[old]
        entry["config"]["name"] = new
        if "name" in entry:
            entry["name"] = new
        self.entries = {new if name == old else name: entry for name, entry in self.entries.items()}
        for call in self.calls:
            call.name = new if call.name == old else call.name
            for source in call.sources:
                source[0] = new if source[0] == old else source[0]
        for end in self._ends:
            end[0] = new if end[0] == old else end[0]

    def free_name(self, wanted: str) -> str:
        """A name that no layer here has."""
        name, number = wanted, 0
        while name in self.entries:
            number += 1
            name = f"{wanted}_{number}"
        return name

    # Reading

    def _graph(self) -> tuple[list[ConfigCall], list[list]]:
        pending = [
            ConfigCall(name, number, list(_references(node)))
            for name, entry in self.entries.items()
            for number, node in enumerate(entry.get("inbound_nodes", ()))
            if entry["class_name"] != "InputLayer"
        ]
        made = {(name, 0) for name, entry in self.entries.items() if entry["class_name"] == "InputLayer"}
        ordered: list[ConfigCall] = []
        while pending:
            ready = [call for call in pending if all((name, number) in made for name, number, _ in call.reads())]
            if not ready:
                raise ValueError(f"model {self.config['name']!r}: no way to order the calls of {pending[0].name!r}")
            ordered += ready
            made |= {(call.name, call.number) for call in ready}
            pending = [call for call in pending if (call.name, call.number) not in made]
        return ordered, list(_leaves(self.config["output_layers"]))

    def _chain(self) -> tuple[list[ConfigCall], list[list]]:
        calls, last = [], ""
        for name, entry in self.entries.items():
            if entry["class_name"] != "InputLayer":
                calls.append(ConfigCall(name, 0, [[last, 0, 0]]))
                last = name
        return calls, [[last, self._first_call(last), 0]]

    def _first_call(self, name: str) -> int:
        """What Keras counts a Functional model's first call as, in `output_layers` and only there."""
        inner = self.nested.get(name)
        return int(inner is not None and not inner.sequential)

    def _add(self, entry: dict, behind: str) -> None:
        name, layers = entry["config"]["name"], self.config["layers"]
        place = layers.index(self.entries[behind]) + 1 if behind else 0
        if not behind and layers[0]["class_name"] == "InputLayer":
            place = 1
        layers.insert(place, entry if self.sequential else entry | {"name": name})
        self.entries = {one["config"]["name"]: one for one in layers}


def layer_entry(class_name: str, config: dict, module: str = "keras.layers", registered: str | None = None) -> dict:
    """A layer as a config holds it."""
    return {"module": module, "class_name": class_name, "config": config, "registered_name": registered}


def _key(reference: list, first: int = 0) -> Tensor:
    return reference[0], int(reference[1]) - first, int(reference[2])


def _leaves(struct: Any) -> Iterator[list]:
    """The [name, call, output] leaves of a config's inputs or outputs, in Keras's flattening order."""
    if isinstance(struct, dict):
        for key in sorted(struct):
            yield from _leaves(struct[key])
    elif len(struct) == 3 and isinstance(struct[0], str):
        yield struct
    else:
        for item in struct:
            yield from _leaves(item)


def _references(value: Any) -> Iterator[list]:
    """The tensors in a serialised argument structure, as lists that may be changed."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            value["config"]["keras_history"] = list(value["config"]["keras_history"])
            yield value["config"]["keras_history"]
        else:
            for item in value.values():
                yield from _references(item)
