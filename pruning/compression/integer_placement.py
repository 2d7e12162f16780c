"""Where a network computes in integers, and where numbers are rounded between its layers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pruning.compression.integer_layers import RECTIFIERS, kind, why_float
from pruning.compression.network_config import ConfigCall, NetworkConfig, Tensor, layer_entry
from pruning.compression.rewriting import Weights

ANSWER = "its result is an answer as it is: in integers it would have few values"
KEPT = "kept by `keep`"


@dataclass
class Placement:
    """What is decided for each nested network, by its path ("" is the outermost), and for each layer.

    Attributes:
        rounded: (path, tensor) -> the calls that read it rounded.
        integer: paths of layers that compute in integers or pass them on.
        reasons: path of a layer that stays float -> why.
        float_entries: paths of nested networks that some caller gives numbers that are not rounded.
    """

    rounded: dict[tuple[str, Tensor], list[ConfigCall]] = field(default_factory=dict)
    integer: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)
    float_entries: set[str] = field(default_factory=set)


def split_activations(network: NetworkConfig, weights: Weights) -> None:
    """Write activations of kernels that are no rectifiers as layers of their own: rounding comes before them."""
    for net in network.everywhere():
        for name, entry in list(net.entries.items()):
            config = entry["config"]
            if kind(entry) != "kernel" or config["activation"] in RECTIFIERS or len(net.calls_of(name)) != 1:
                continue
            activation, config["activation"] = config["activation"], "linear"
            label = activation if isinstance(activation, str) else "activation"
            path, new = net.path + name, net.free_name(f"{name}_{label}")
            tensor: Tensor = (name, 0, 0)
            if not net.path and tensor in net.outputs and not net.outputs_have_keys:
                new, name = name, net.free_name(f"{name}_kernel")  # the output is called as it was
                net.rename(new, name)
                weights[net.path + name] = weights.pop(path)
                tensor = (name, 0, 0)
            behind = layer_entry("Activation", {"name": new, "activation": activation, "dtype": config["dtype"]})
            net.insert(behind, tensor, net.readers(tensor), outputs=True)


def place(network: NetworkConfig, keep: Iterable[str], float_layers: Mapping[str, str] | None = None) -> Placement:
    """Decide for a network whose batch norms are folded.

    Args:
        network: nested networks included.
        keep: names, paths ("box_head/fc1"), parts or regular expressions of layers that stay float.
        float_layers: path of further ones -> why.

    Raises:
        ValueError: one of `keep` fits no layer.
    """
    kept = {**(float_layers or {}), **dict.fromkeys(kept_paths(network, keep), KEPT)}
    uses = _Uses(network)
    float_entries: set[str] = set()
    while True:  # what enters a nested network is known once all its callers are; this only ever adds to the floats
        found = Placement(float_entries=set(float_entries))
        _Pass(kept, uses, found).over(network)
        if found.float_entries == float_entries:
            return found
        float_entries = found.float_entries


def answers(network: NetworkConfig) -> set[str]:
    """Paths of the layers with kernels whose results are answers of the model, with nothing but a rectifier behind."""
    uses = _Uses(network)
    return {
        net.path + call.name
        for net in network.everywhere()
        for call in net.calls
        if call.name not in net.nested
        and kind(net.entries[call.name]) == "kernel"
        and net.entries[call.name]["config"]["activation"] in RECTIFIERS
        and not any(uses.by_layers(net, (call.name, one.number, 0)) for one in net.calls_of(call.name))
    }


class _Pass:
    """One pass over all calls, in order."""

    def __init__(self, kept: Mapping[str, str], uses: _Uses, found: Placement) -> None:
        self._kept, self._uses, self.found = kept, uses, found

    def over(self, net: NetworkConfig) -> set[Tensor]:
        """Decide for a network; returns which of its tensors are integers, as all see them behind the rounding."""
        inside = net.path and net.path not in self.found.float_entries
        integers: set[Tensor] = set(net.inputs) if inside else set()
        awaited: set[Tensor] = set()  # results that the rectifier behind them rounds
        for call in net.calls:
            if call.name in net.nested:
                inner = net.nested[call.name]
                if not set(call.reads()) <= integers:
                    self.found.float_entries.add(inner.path)
                leaves = self.over(inner)
                integers |= {
                    (call.name, call.number, place) for place, end in enumerate(inner.outputs) if end in leaves
                }
                continue
            self._one(net, call, integers, awaited)
        return integers

    def _one(self, net: NetworkConfig, call: ConfigCall, integers: set[Tensor], awaited: set[Tensor]) -> None:
        entry, path, reads = net.entries[call.name], net.path + call.name, call.reads()
        how, result = kind(entry), (call.name, call.number, 0)
        if how == "float":
            self.found.reasons[path] = why_float(entry)
            return
        if path in self._kept:
            self.found.reasons[path] = self._kept[path]
            return
        if how == "kernel":
            if entry["config"]["activation"] not in RECTIFIERS:
                self.found.reasons[path] = "its activation is no rectifier, and it is called several times"
                return
        elif not set(reads) <= integers | (awaited if how == "rectifier" else set()):
            self.found.reasons[path] = "what it reads is float"
            return
        if how == "arithmetic" and len(reads) > 2 and entry["class_name"] != "Concatenate":
            self.found.reasons[path] = f"{entry['class_name']} of more than two, which LiteRT computes in float"
            return
        if how == "exact":
            self.found.integer.add(path)
            integers.add(result)
            return
        if not any(self._uses.by_layers(net, (call.name, one.number, 0)) for one in net.calls_of(call.name)):
            self.found.reasons[path] = ANSWER
            return
        if how == "kernel":
            for tensor in reads:
                self._enter(net, call, tensor, integers)
        self.found.integer.add(path)
        if self._rectified(net, entry, result):
            awaited.add(result)
        elif net.readers(result) or net.path:
            self._round(net, result, net.readers(result))
            integers.add(result)

    def _enter(self, net: NetworkConfig, call: ConfigCall, tensor: Tensor, integers: set[Tensor]) -> None:
        """Round a float tensor that a kernel reads, as early as it makes no difference."""
        if tensor in integers:
            return
        reader = call
        while (maker := net.maker(tensor)) is not None and maker.name in net.entries:
            alone = len(net.calls_of(maker.name)) == len(maker.sources) == len(net.readers(tensor)) == 1
            if not alone or tensor in net.outputs or kind(net.entries[maker.name]) != "exact":
                break
            if net.path + maker.name in self._kept:
                break
            integers.add(tensor)
            self.found.integer.add(net.path + maker.name)
            self.found.reasons.pop(net.path + maker.name, None)
            reader, (tensor,) = maker, maker.reads()
        self._round(net, tensor, [reader])

    def _round(self, net: NetworkConfig, tensor: Tensor, readers: list[ConfigCall]) -> None:
        """Let some calls read a tensor rounded; what else reads it goes on reading it as it is."""
        known = self.found.rounded.setdefault((net.path, tensor), [])
        known += [reader for reader in readers if reader not in known]

    def _rectified(self, net: NetworkConfig, entry: dict, result: Tensor) -> bool:
        """Whether a rectifier alone reads a result, which then is rounded behind it."""
        readers = net.readers(result)
        if len(readers) != 1 or result in net.outputs or readers[0].name in net.nested:
            return False
        if entry["config"].get("activation", "linear") != "linear":
            return False
        reader = readers[0]
        return kind(net.entries[reader.name]) == "rectifier" and net.path + reader.name not in self._kept


class _Uses:
    """Who reads a tensor in the end."""

    def __init__(self, network: NetworkConfig) -> None:
        self._around: dict[str, tuple[NetworkConfig, str]] = {}
        for net in network.everywhere():
            self._around |= {inner.path: (net, name) for name, inner in net.nested.items()}

    def by_layers(self, net: NetworkConfig, tensor: Tensor) -> bool:
        """Whether a layer of Keras computes with it: it is not just an answer, or for layers of other kinds."""
        for call in net.readers(tensor):
            if call.name in net.nested:
                inner = net.nested[call.name]
                if any(self.by_layers(inner, entered) for entered in inner.inputs):
                    return True
                continue
            entry = net.entries[call.name]
            if kind(entry) in ("exact", "rectifier") or entry["class_name"] == "Concatenate":
                if self.by_layers(net, (call.name, call.number, 0)):
                    return True
            elif str(entry.get("module", "")).startswith("keras.layers"):
                return True
        if tensor not in net.outputs or not net.path:
            return False
        around, name = self._around[net.path]
        places = [place for place, end in enumerate(net.outputs) if end == tensor]
        return any(
            self.by_layers(around, (name, call.number, place)) for call in around.calls_of(name) for place in places
        )


def kept_paths(network: NetworkConfig, keep: Iterable[str]) -> set[str]:
    """Paths of the layers that names, paths, parts or regular expressions fit.

    Raises:
        ValueError: one fits no layer.
    """
    paths = [net.path + name for net in network.everywhere() for name in net.entries]
    found: set[str] = set()
    for pattern in [keep] if isinstance(keep, str) else keep:
        fits = {
            path
            for path in paths
            if re.fullmatch(pattern, path) or re.fullmatch(pattern, path.rpartition("/")[2])
            or path.startswith(f"{pattern}/")
        }  # fmt: skip
        if not fits:
            raise ValueError(f"keep: {pattern!r} fits no layer; paths are such as {', '.join(map(repr, paths[:3]))}")
        found |= fits
    return found
