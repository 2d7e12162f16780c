"""What fraction goes where: one for the whole model, or one for every layer, pattern or part that is named."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pruning.costs.model_cost import Cost
from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group
from pruning.wrong_objects import needs_fraction


@dataclass(frozen=True)
class Target:
    """A fraction of what some groups' layers cost.

    Attributes:
        name: the layer, pattern or part as it was written; "" for the whole model.
        fraction: in [0, 1).
        groups: prunable groups whose channels go for it.
        layers: paths of the layers whose cost it is a fraction of; None: all of the model.
        part: whether it names a part of the model, whose cost then is what is left of it in the end. A layer's or
            pattern's is counted with all else whole: what a layer reads of others is not its own to lose.
    """

    name: str
    fraction: float
    groups: list[Group]
    layers: frozenset[str] | None = None
    part: bool = False

    def of(self, cost: Cost, measure: str) -> int:
        """Its layers' parameters, MACs or bytes in a cost."""
        return sum(getattr(layer, measure) for layer in cost.layers if self.layers is None or layer.path in self.layers)


def targets(graph: ChannelGraph, sparsity: Any) -> list[Target]:
    """The targets of `pruning.plan`.

    Args:
        graph: the model's groups.
        sparsity: a fraction, or layer name, fnmatch pattern or part -> fraction. A group that several match follows
            the one that matches the fewest groups; of those, the first. A group that none matches keeps all channels.

    Returns:
        Targets whose groups do not overlap.

    Raises:
        TypeError, ValueError: a value that is no fraction; a name that matches nothing, or only what is locked.
    """
    if not isinstance(sparsity, Mapping):
        return [Target("", needs_fraction(sparsity, "sparsity"), graph.prunable)]
    if not sparsity:
        raise ValueError("sparsity is an empty mapping; expected a layer name, pattern or part for every fraction")
    fractions = {name: needs_fraction(value, f"sparsity[{name!r}]") for name, value in sparsity.items()}
    matched = {name: _matched(graph, name) for name in fractions}
    owner: dict[str, str] = {}
    for name in fractions:
        for group in matched[name]:
            if group.name not in owner or len(matched[name]) < len(matched[owner[group.name]]):
                owner[group.name] = name
    found = []
    for name, fraction in fractions.items():
        mine = [group for group in matched[name] if owner[group.name] == name]
        if mine:
            part = all(group.part == name for group in mine)
            found.append(Target(name, fraction, mine, _layers(graph, name, mine, part), part))
    return found


def _matched(graph: ChannelGraph, name: Any) -> list[Group]:
    if not isinstance(name, str):
        raise TypeError(f"sparsity has the key {name!r}; expected the name of a layer or part, or a pattern, as text")
    every = [group for group in graph.groups if _matches(group, name)]
    free = [group for group in every if group.locked is None]
    if not every:
        parts = ", ".join(dict.fromkeys(group.part for group in graph.groups))
        raise ValueError(
            f"sparsity names {name!r}, which matches no group: expected a layer that makes channels, a part ({parts}) "
            "or a pattern such as 'conv*'; print(graph.report()) lists the layers"
        )
    if not free:
        raise ValueError(f"sparsity names {name!r}, of which nothing can be pruned: {every[0].locked}")
    return free


def _matches(group: Group, name: str) -> bool:
    names = {group.name, group.part}
    for member in group.producers:
        names |= {member.path, member.layer.name}
    return name in names or any(fnmatchcase(one, name) for one in names)


def _layers(graph: ChannelGraph, name: str, groups: list[Group], part: bool) -> frozenset[str]:
    """Paths: all layers of a part; else those that make or carry the groups' channels."""
    if part:
        return frozenset(call.path for call in graph.calls if call.part == name)
    return frozenset(member.path for group in groups for member in group.members if member.role != "reads")
