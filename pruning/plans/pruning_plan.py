"""A Plan: which channels of which groups go. Structure only, as JSON, apart from the weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph

_FORMAT = 2  # since 2: reasons, shares, locked
_READ = (1, 2)


@dataclass(frozen=True)
class Plan:
    """Channels to remove, valid for the model structure that it was made for.

    Attributes:
        model: name of the network.
        fingerprint: of its groups; a plan fits only a graph with the same one.
        sizes: prunable group -> number of channels.
        removed: prunable group -> sorted positions of the channels that go.
        asked: fraction of `measure` that was to be removed; or layer, pattern or part -> fraction of its own.
        achieved: fraction that is, of the whole.
        measure: what the fractions are of; "filters" are kernel slices of the prunable groups' producers,
            "params", "macs" and "bytes" those of the whole model.
        scope, criterion, settings: how the plan was made.
        reasons: where asked and achieved differ by more than a channel, why; sentences.
        shares: where asked is a mapping: layer, pattern or part -> fraction that goes of its own.
        locked: group of the graph that no plan touches -> why.
    """

    model: str
    fingerprint: str
    sizes: Mapping[str, int]
    removed: Mapping[str, tuple[int, ...]]
    asked: float | Mapping[str, float]
    achieved: float
    measure: str = "filters"
    scope: str = "layer"
    criterion: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    locked: Mapping[str, str] = field(default_factory=dict)

    def gone(self, group: str) -> np.ndarray:
        """Bool (size,): which channels of a group go."""
        mask = np.zeros(self.sizes[group], dtype=bool)
        mask[list(self.removed.get(group, ()))] = True
        return mask

    def check(self, graph: ChannelGraph) -> None:
        """Raise ValueError, naming the difference, unless the plan was made for a model of this structure."""
        if self.fingerprint == graph.fingerprint:
            return
        found = {group.name: group.size for group in graph.groups}
        why = "the layers that make or read its groups differ"
        for name, size in self.sizes.items():
            if name not in found:
                why = f"it has no group {name!r}"
                break
            if found[name] != size:
                why = f"group {name!r} has {found[name]} channels, the plan was made for {size}"
                break
        raise ValueError(
            f"this plan was made for another structure of {self.model!r} than {graph.network.name!r} has: "
            f"{why}. Make a new plan with pruning.plan(model, criterion)"
        )

    def channels(self, graph: ChannelGraph) -> dict[str, np.ndarray]:
        """What goes, checked against a graph.

        Returns:
            group -> bool (size,), for the groups that lose channels.

        Raises:
            ValueError: as `check`; or a group would lose all its channels, or is locked by its structure.
        """
        self.check(graph)
        gone = {name: self.gone(name) for name, channels in self.removed.items() if channels}
        for group in graph.groups:
            if group.name not in gone:
                continue
            if group.locked not in (None, "excluded", "not included"):
                raise ValueError(f"the plan prunes group {group.name!r}, which is locked: {group.locked}")
            if gone[group.name].all():
                raise ValueError(
                    f"the plan removes all {group.size} channels of group {group.name!r}: leave at least one"
                )
        return gone

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON, a line for every group."""
        groups = [
            f"    {json.dumps(name)}: "
            + json.dumps({"size": size, "removed": list(self.removed.get(name, ()))})
            for name, size in self.sizes.items()
        ]
        head = {
            "format": _FORMAT,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "asked": self.asked,
            "achieved": self.achieved,
            "measure": self.measure,
            "scope": self.scope,
            "criterion": self.criterion,
            "settings": dict(self.settings),
            "reasons": list(self.reasons),
            "shares": dict(self.shares),
            "locked": dict(self.locked),
        }
        lines = json.dumps(head, indent=2).removesuffix("\n}")
        Path(path).write_text(
            lines + ',\n  "groups": {\n' + ",\n".join(groups) + "\n  }\n}\n", encoding="utf-8"
        )

    @classmethod
    def load(cls, path: str | Path) -> "Plan":
        """Read a plan that `save` wrote.

        Raises:
            ValueError: the file is no plan; names the file and what is wrong.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if data["format"] not in _READ:
                raise ValueError(f"format {data['format']!r}; this version reads {' and '.join(map(str, _READ))}")
            groups = data.pop("groups")
            data.pop("format")
            data["reasons"] = tuple(data.get("reasons", ()))
            sizes = {name: int(group["size"]) for name, group in groups.items()}
            removed = {
                name: tuple(int(channel) for channel in group["removed"]) for name, group in groups.items()
            }
            for name, channels in removed.items():
                ascending = list(channels) == sorted(set(channels))
                if not ascending or any(not 0 <= channel < sizes[name] for channel in channels):
                    raise ValueError(
                        f"group {name!r}: removed channels are not ascending positions below its size"
                    )
            return cls(sizes=sizes, removed=removed, **data)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} is not a pruning plan: {error}. Write one with Plan.save") from error

    def __str__(self) -> str:
        how = f"({self.criterion}, scope {self.scope})"
        if isinstance(self.asked, Mapping):
            lines = [f"Plan for {self.model!r}: {self.achieved:.2%} of {self.measure} go {how}"]
            for name, asked in self.asked.items():
                went = self.shares.get(name, 0.0)
                lines.append(f"    of {name!r}: {went:.2%} of {self.measure} go, {asked:.2%} asked")
        else:
            figures = f"{self.achieved:.2%} of {self.measure} go, {self.asked:.2%} asked"
            lines = [f"Plan for {self.model!r}: {figures} {how}"]
        lines += [f"    because {reason}" for reason in self.reasons]
        lines += [f"{name}  {len(self.removed.get(name, ()))} of {size}" for name, size in self.sizes.items()]
        return "\n".join(lines)
