"""What of a model may be pruned, and how much at most, before anything is."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pruning.costs.model_cost import Cost, without
from pruning.costs.savings import sized
from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group

MEASURES = ("filters", "params", "macs", "bytes")
_OPEN = 64  # a size in place of one that is open, where only weights are counted


@dataclass(frozen=True)
class ReportRow:
    """One group of channels, or a weight that lies in none.

    Attributes:
        group: its name; the weight's path.
        layers: paths of the layers that make the channels.
        part: the part of the model.
        channels: how many.
        may_go: how many of them at most.
        reason: why none may go; None where some may.
        most: measure -> fraction of the model's that goes if this group alone loses all it may.
    """

    group: str
    layers: tuple[str, ...]
    part: str
    channels: int
    may_go: int
    reason: str | None
    most: Mapping[str, float]


@dataclass(frozen=True)
class GraphReport:
    """A row for every group; printed, a table of what may go, then what not and why.

    Attributes:
        model: name of the network.
        rows: what may go and what not, in the model's order.
        most: measure ("filters", "params", "macs", "bytes") -> the largest fraction that a plan can remove, every group
            keeping one channel; None where it could not be counted. As for `pruning.plan`, "filters" are those of the
            prunable groups, the others of the whole model.
        input_shapes: what MACs are counted for; None where they are not.
        note: why something is not counted; "" if everything is.
    """

    model: str
    rows: tuple[ReportRow, ...]
    most: Mapping[str, float | None]
    input_shapes: Mapping[str, tuple] | None
    note: str = ""

    def to_json(self, path: str | Path | None = None) -> str:
        """The report as JSON text; written to `path` too, if one is given."""
        text = json.dumps(asdict(self), indent=2)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    def __str__(self) -> str:
        free = [row for row in self.rows if row.may_go]
        kept = [row for row in self.rows if not row.may_go]
        measures = [name for name in MEASURES if self.most[name] is not None]
        width = max([len("together"), *(len(row.group) for row in free)])
        head = f"{'may go':<{width}}{'channels':>10}{'at most':>9}" + "".join(f"{name:>9}" for name in measures)
        lines = [f"{self.model!r}: {len(free)} groups may lose channels, {len(kept)} stay whole", head]
        for row in free:
            shares = "".join(f"{row.most[name]:>9.1%}" for name in measures)
            lines.append(f"{row.group:<{width}}{row.channels:>10}{row.may_go:>9}{shares}")
        shares = "".join(f"{self.most[name]:>9.1%}" for name in measures)
        counts = f"{sum(row.channels for row in free):>10}{sum(row.may_go for row in free):>9}"
        lines.append(f"{'together':<{width}}{counts}{shares}")
        if kept:
            width = max(len(row.group) for row in kept)
            lines.append(f"{'stays whole':<{width}}{'channels':>10}  why")
            lines += [f"{row.group:<{width}}{row.channels or '':>10}  {row.reason}" for row in kept]
        if self.note:
            lines.append(self.note)
        return "\n".join(lines)


def report(graph: ChannelGraph, input_shapes: Any = None) -> GraphReport:
    """The report of a graph; see `ChannelGraph.report`."""
    counts, note = _sized(graph, input_shapes)
    measures = [name for name in MEASURES if name == "filters" or counts and not (name == "macs" and note)]
    filters = {group.name: group.filters for group in graph.prunable}
    total = sum(int(each.sum()) for each in filters.values())
    dense = without(counts, {}) if counts else None
    most = {group.name: _all_but_one(group) for group in graph.prunable}

    def shares(gone: Mapping[str, np.ndarray]) -> dict[str, float]:
        left = without(counts, gone) if counts else None
        found = {"filters": sum(int(filters[name][cut].sum()) for name, cut in gone.items()) / max(total, 1)}
        found.update({name: _saved(dense, left, name) for name in measures if name != "filters"})
        return found

    rows = []
    for group in graph.groups:
        gone = {group.name: most[group.name]} if group.name in most else {}
        layers = tuple(dict.fromkeys(member.path for member in group.producers)) or tuple(group.makers)
        may_go = sum(int(cut.sum()) for cut in gone.values())
        reason = group.locked or (None if may_go else "it has one channel")
        of_row = shares(gone) if may_go else dict.fromkeys(measures, 0.0)
        rows.append(ReportRow(group.name, layers, group.part, group.size, may_go, reason, of_row))
    part = {call.path: call.part for call in graph.calls}
    rows += [
        ReportRow(
            weight,
            (path,),
            part.get(path, ""),
            0,
            0,
            f"no axis of it follows channels ({path})",
            dict.fromkeys(measures, 0.0),
        )
        for path, weight in graph.loose
    ]
    together = shares(most)
    shapes = dict(counts.input_shapes) if counts and not note else None
    return GraphReport(graph.network.name, tuple(rows), {name: together.get(name) for name in MEASURES}, shapes, note)


def _sized(graph: ChannelGraph, input_shapes: Any) -> tuple[ChannelGraph | None, str]:
    """The graph on inputs of a known size, and why that may not serve for MACs."""
    try:
        return sized(graph, input_shapes), ""
    except ValueError as error:
        if input_shapes is not None:
            raise
        note = f"MACs are not counted: {error}, in graph.report(input_shapes=...)"
    guessed = {
        name: tuple((_OPEN if at else 1) if size is None else size for at, size in enumerate(shape))
        for name, shape in graph.input_shapes.items()
    }
    try:  # weights are as large whatever the inputs' size
        return sized(graph, guessed), note
    except Exception:  # a network that does not take the guessed size; its layers may raise anything
        return None, note.replace("MACs are", "params, MACs and bytes are")


def _all_but_one(group: Group) -> np.ndarray:
    """Bool (size,): all channels but the one that lies in the fewest places."""
    places = np.zeros(group.size)
    for member in group.members:
        for part in member.parts:
            places += np.bincount(part.units, minlength=group.size)
    gone = np.ones(group.size, dtype=bool)
    gone[np.argmin(places)] = False
    return gone


def _saved(dense: Cost | None, left: Cost | None, measure: str) -> float:
    before = getattr(dense, measure)
    return 1 - getattr(left, measure) / before if before else 0.0
