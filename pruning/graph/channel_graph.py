"""ChannelGraph: from any Functional Keras 3 model to its coupled groups of channels."""

import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pruning.graph.groups import Group, collect_groups, listing
from pruning.graph.trace import Kernel, Slice, Trace
from pruning.graph.walk import network_of, walk
from pruning.layers.registry import Rules, Stated

if TYPE_CHECKING:
    from pruning.graph.graph_report import GraphReport

Selector = str | re.Pattern | type


class ChannelGraph:
    """Coupled groups of channels of a model, readable when printed.

    Args:
        model: Functional or Sequential Keras model (nested models and shared layers included), or an object
            with `.network`.
        input_shapes: full shapes by input name, or one shape for the only input, where counts depend on them
            (`pruning.cost`); default, those the model was declared with.
        include: what may be pruned (everything by default): layer names, paths ("features/conv1"), parts,
            regular expressions (a compiled pattern, or a string matched in full) or layer types, one or
            several. A group is included if one of its producers matches.
        exclude: what may not, likewise; it wins over `include`.
        rules: what layer types do, for this graph only: kind, or a layer's name, -> rule, as for `pruning.register`.
        unknown: layers of which that is not known are kept whole, with what goes into them and comes out: "warn" says
            so in one warning that lists them, "keep" says nothing, "error" raises instead.

    Attributes:
        model: the model as given; network: its Functional model.
        groups: all groups in the model's order, the locked ones too.
        kernels: every weight that multiplies, and where (`pruning.graph.trace.Kernel`).
        loose: paths of trainable weights of two axes or more that lie in no group, with the layer's path.
        unknown: what is not known (a layer with its type, an activation), and what to write or to do about it.

    Raises:
        TypeError: the model has no readable graph.
        ValueError: a layer type that is not known, with `unknown="error"`; or a selector that matches nothing.
    """

    def __init__(
        self,
        model: Any,
        input_shapes: dict[str, tuple] | tuple | None = None,
        *,
        include: Selector | Iterable[Selector] | None = None,
        exclude: Selector | Iterable[Selector] | None = None,
        rules: Mapping[Any, Stated] | None = None,
        unknown: Literal["warn", "error", "keep"] = "warn",
    ) -> None:
        if unknown not in ("warn", "error", "keep"):
            raise ValueError(f'unknown is {unknown!r}; expected "warn", "error" or "keep"')
        self.model = model
        self.network = network_of(model)
        self._own_rules = dict(rules or {})
        steps = walk(self.network, input_shapes)
        trace = Trace(Rules(rules))
        for name, tensor in steps.inputs.items():
            channels = None
            if len(tensor.shape) > 1 and tensor.shape[-1] is not None:
                channels = trace.new(f"input {name}", steps.name, tensor.shape[-1])
                trace.lock(channels, f"model input {name!r}")
            trace.give(tensor, channels)
        for call in steps.calls:
            call.rule = trace.rules.of(call.layer)
            call.rule.channels(call, trace)
            trace.close(call)
        self._entries: dict[str, dict[int, np.ndarray]] = {}
        for path, tensor in steps.entries:
            entering = trace.axes(tensor)
            for axis, known in self._entries.setdefault(path, entering).items():
                if axis in entering and len(entering[axis]) == len(known):
                    trace.tie(known, entering[axis])  # a nested model has one input of one width
        for name, tensor in steps.outputs:
            for channels in trace.axes(tensor).values():
                trace.lock(channels, f"reaches the model output {name!r}")
        self.unknown = trace.unknown
        if self.unknown and unknown != "keep":
            _tell(self.unknown, strict=unknown == "error")
        self.input_shapes = {name: tuple(tensor.shape) for name, tensor in steps.inputs.items()}
        self._calls = steps.calls
        self._scales = trace.scales
        self._trace = trace
        self.groups: list[Group]
        self.groups, self._group_of, self._unit_of = collect_groups(trace)
        self.kernels: list[Kernel] = list(trace.kernels.values())
        sliced = {variable for variable, _ in trace.slices}
        self.loose = [
            (call.path, weight.path)
            for call in {id(call.layer): call for call in steps.calls}.values()
            for weight in getattr(call.layer, "trainable_weights", [])
            if len(weight.shape) > 1 and id(weight) not in sliced
        ]
        self.fingerprint = _digest([group.structure() for group in self.groups])
        _select(self.groups, _several(include), _several(exclude))

    @property
    def prunable(self) -> list[Group]:
        """Groups that may be pruned."""
        return [group for group in self.groups if group.locked is None]

    @property
    def example_shapes(self) -> dict[str, tuple] | None:
        """The shapes that the graph was made with, for one example; None if a size is open."""
        shapes = {name: (shape[0] or 1, *shape[1:]) for name, shape in self.input_shapes.items()}
        return None if any(None in shape for shape in shapes.values()) else shapes

    @property
    def calls(self) -> list:
        """Every layer call (`pruning.graph.walk.Call`), in order."""
        return self._calls

    @property
    def slices(self) -> list[Slice]:
        """Every axis of a weight that follows channels."""
        return list(self._trace.slices.values())

    @property
    def entries(self) -> dict[str, dict[int, np.ndarray]]:
        """Path of every nested model's input (`pruning.graph.walk.Walk.entries`) -> axis -> its channels' numbers."""
        return self._entries

    def channels(self, tensor: Any, axis: int = -1) -> np.ndarray | None:
        """Numbers of the channels of a tensor of `calls` along an axis, int (C,); None where it has none."""
        return self._trace.channels(tensor, axis)

    def groups_at(self, channels: np.ndarray) -> set[str]:
        """Names of the groups that channels belong to, given by their numbers."""
        return {self.groups[number].name for number in np.unique(self._group_of[channels])}

    def again(self, model: Any = None, input_shapes: dict[str, tuple] | tuple | None = None) -> "ChannelGraph":
        """A graph by the same rules: of a copy of the model, or on inputs of another size."""
        return ChannelGraph(self.model if model is None else model, input_shapes, rules=self._own_rules, unknown="keep")

    def alive(self, gone: Mapping[str, np.ndarray]) -> np.ndarray:
        """Bool, one for every channel number: False where it belongs to one that goes.

        Args:
            gone: group -> bool (size,), what goes; groups that are not named stay whole.
        """
        stays = [~gone[g.name] if g.name in gone else np.ones(g.size, dtype=bool) for g in self.groups]
        starts = np.cumsum([0, *(group.size for group in self.groups[:-1])])
        return np.concatenate(stays)[starts[self._group_of] + self._unit_of]

    def report(self, input_shapes: dict[str, tuple] | tuple | None = None) -> "GraphReport":
        """What may go and what not, with the reason, and how much of each measure at most; see `GraphReport`.

        Args:
            input_shapes: what MACs are counted for, as for `pruning.cost`; default, those that the graph was made with.
        """
        from pruning.graph.graph_report import report

        return report(self, input_shapes)

    def __getitem__(self, name: str) -> Group:
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(f"no group {name!r}; there are {', '.join(group.name for group in self.groups)}")

    def group_of(self, layer: str) -> Group:
        """The group that a layer's first output channel belongs to.

        Args:
            layer: name or path of a layer that makes channels.
        """
        for group in self.groups:
            for member in group.producers:
                if layer in (member.path, member.layer.name):
                    return group
        raise KeyError(f"no layer {layer!r} makes channels in model {self.network.name!r}")

    def folded(self, kernel: Kernel) -> np.ndarray:
        """A kernel with the batch norm right behind it folded in: w * gamma / sqrt(variance + epsilon).

        Where a shared layer is followed by several batch norms, the mean of their factors' sizes is used.

        Returns:
            float32 array of the kernel's shape.
        """
        weight = np.asarray(kernel.variable, dtype=np.float32)
        norms = self._scales.get(id(kernel.call.layer), [])
        function = getattr(kernel.call.layer, "activation", None)
        linear = function is None or getattr(function, "__name__", "") == "linear"
        if not norms or not linear or not kernel.scale_shape:
            return weight
        factors = []
        for norm in norms:
            gamma = np.asarray(norm.gamma, dtype=np.float32) if norm.scale else 1.0
            factors.append(gamma / np.sqrt(np.asarray(norm.moving_variance, dtype=np.float32) + norm.epsilon))
        factor = factors[0] if len(factors) == 1 else np.mean(np.abs(factors), axis=0)
        return weight * factor.reshape(kernel.scale_shape)

    def __str__(self) -> str:
        free = self.prunable
        channels, filters = sum(group.size for group in free), sum(int(group.filters.sum()) for group in free)
        lines = [
            (
                f"ChannelGraph of {self.network.name!r}: {len(self.groups)} groups, {len(free)} prunable "
                f"with {channels} channels ({filters} filters)"
            )
        ]
        lines += [str(group) for group in self.groups]
        if self.loose:
            lines.append("in no group: " + ", ".join(f"{path} ({weight})" for path, weight in self.loose))
        return "\n".join(lines)


def graph_of(model: Any) -> ChannelGraph:
    """The graph of a model; a graph is returned as it is. What is not known is not said a second time."""
    return model if isinstance(model, ChannelGraph) else ChannelGraph(model, unknown="keep")


def _tell(unknown: Mapping[str, str], *, strict: bool) -> None:
    by_remedy: dict[str, list[str]] = {}
    for what, remedy in unknown.items():
        by_remedy.setdefault(remedy, []).append(what)
    text = "kept whole, with what goes in and comes out: "
    text += "; ".join(f"{listing(names)}: {remedy}" for remedy, names in by_remedy.items())
    if "pruning.register" in text:
        text += (
            '. What a registering call is shown for is not known: state what it does to channels ("keep", "tie", '
            '"stack", "spread", "lock", or a class derived from pruning.LayerRule)'
        )
    if strict:
        raise ValueError(text)
    warnings.warn(text, stacklevel=3)


def _digest(structure: list) -> str:
    return hashlib.sha256(json.dumps(structure).encode()).hexdigest()[:16]


def _several(selectors: Any) -> list[Selector]:
    if selectors is None:
        return []
    return [selectors] if isinstance(selectors, str | re.Pattern | type) else list(selectors)


def _select(groups: list[Group], include: list[Selector], exclude: list[Selector]) -> None:
    """Lock what is excluded, and what is not included."""
    for selectors, word in ((include, "include"), (exclude, "exclude")):
        for selector in selectors:
            if not any(_matches(group, selector) for group in groups):
                raise ValueError(
                    f"{word}={selector!r} matches no group: expected a layer name or path, a part "
                    f"({', '.join(dict.fromkeys(group.part for group in groups))}), a pattern or a layer type"
                )
    for group in groups:
        if group.locked is not None:
            continue
        if any(_matches(group, selector) for selector in exclude):
            group.locked = "excluded"
        elif include and not any(_matches(group, selector) for selector in include):
            group.locked = "not included"


def _matches(group: Group, selector: Selector) -> bool:
    if isinstance(selector, type):
        return any(isinstance(member.layer, selector) for member in group.producers)
    names = {group.part, group.name}
    for member in group.producers:
        names |= {member.path, member.layer.name}
    if isinstance(selector, re.Pattern):
        return any(selector.search(name) for name in names)
    return selector in names or any(re.fullmatch(selector, name) for name in names)
