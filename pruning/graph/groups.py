"""Coupled groups of channels, with everything that makes, carries or reads them."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pruning.graph.trace import Slice, Trace


@dataclass(frozen=True, eq=False)
class Part:
    """The part of one axis of one weight that belongs to a group.

    Attributes:
        slice: the weight, its axis, its role.
        positions: int (P,), positions on the axis.
        units: int (P,), the group's channel at each of them.
    """

    slice: Slice
    positions: np.ndarray
    units: np.ndarray

    def at(self, removed: np.ndarray) -> np.ndarray:
        """Positions of the channels `removed` (bool, one per channel of the group)."""
        return self.positions[removed[self.units]]


@dataclass(eq=False)
class Member:
    """One layer in one role: "makes", "carries" or "reads" a group's channels."""

    layer: Any
    path: str
    role: str
    parts: list[Part] = field(default_factory=list)


@dataclass(eq=False)
class Group:
    """Channels that live or die together: channel i of the group is the same channel in every member.

    Attributes:
        name: path of the first layer that makes them, with [first:last] where it makes others as well.
        size: how many.
        part: the part of the model that makes them first.
        locked: why they cannot be pruned, or None.
        members: who makes, carries and reads them, in the model's order.
        makers: labels of what makes them (a model input included).
    """

    name: str
    size: int
    part: str
    locked: str | None
    members: list[Member]
    makers: list[str]

    def by_role(self, role: str) -> list[Member]:
        """Members of one role."""
        return [member for member in self.members if member.role == role]

    @property
    def producers(self) -> list[Member]:
        """Layers that make the channels."""
        return self.by_role("makes")

    @property
    def readers(self) -> list[Member]:
        """Layers that read them."""
        return self.by_role("reads")

    @property
    def filters(self) -> np.ndarray:
        """How many filters (kernel slices of producers) go with each channel; int (size,)."""
        counts = np.zeros(self.size, dtype=int)
        for member in self.producers:
            for part in member.parts:
                if part.slice.kernel:
                    counts += np.bincount(part.units, minlength=self.size)
        return counts

    def structure(self) -> list:
        """What a plan depends on: names, roles and places, no weights. JSON-able."""
        return [
            self.name,
            self.size,
            [
                [m.path, m.role, [[_weight_name(p.slice.variable), p.slice.axis, len(p.positions)] for p in m.parts]]
                for m in self.members
            ],
        ]

    def __str__(self) -> str:
        lines = [
            f"{self.name}  {self.size} channels, part {self.part}"
            + (f", locked: {self.locked}" if self.locked else "")
        ]
        lines.append(f"    made by  {listing(self.makers)}")
        for role, word in (("carries", "kept by "), ("reads", "read by ")):
            paths = list(dict.fromkeys(member.path for member in self.by_role(role)))
            if paths:
                lines.append(f"    {word} {listing(paths)}")
        return "\n".join(lines)


def _weight_name(variable: Any) -> str:
    """A variable's name; without the running number that Keras gives to one that has none of its own."""
    return re.sub(r"^variable_\d+$", "variable", variable.name)


def listing(names: list[str], most: int = 8) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def collect_groups(trace: Trace) -> tuple[list[Group], np.ndarray, np.ndarray]:
    """Sort the traced channels into groups: same makers, same fate, one group.

    Returns:
        the groups; for every channel number the position of its group among them, int (N,); and which channel
        of that group it is, int (N,).
    """
    roots = trace.book.roots()
    if trace.spared and trace.summed:
        both = np.intersect1d(roots[np.concatenate(trace.spared)], roots[np.concatenate(trace.summed)])
        trace.lock(both, "something divides by them, and something sums over them")
    reasons = trace.book.reasons()
    made_by: dict[int, set[int]] = {}
    for number, block in enumerate(trace.blocks):
        for root in np.unique(roots[block.channels]).tolist():
            made_by.setdefault(root, set()).add(number)
    pieces: dict[int, set[int]] = {}
    for number, channels in enumerate(trace.pieces):
        for root in np.unique(roots[channels]).tolist():
            pieces.setdefault(root, set()).add(number)

    # Channels with the same makers and the same fate are one group. A block split by a concatenation further
    # on, or locked in part, or taken apart, gives several.
    families: dict[tuple, list[int]] = {}
    for root in sorted(made_by):
        fate = root in reasons, tuple(sorted(pieces.get(root, ())))
        families.setdefault((tuple(sorted(made_by[root])), *fate), []).append(root)

    group_of = np.full(len(roots), -1)
    unit_of = np.full(len(roots), -1)
    groups = []
    for number, ((makers, locked, _), family) in enumerate(families.items()):
        group_of[family] = number
        unit_of[family] = np.arange(len(family))
        first = trace.blocks[makers[0]]
        why = None
        if locked:
            why = "; ".join(dict.fromkeys(reason for root in family for reason in reasons[root]))
        groups.append(
            Group(
                name=_name(first, roots, family),
                size=len(family),
                part=first.part,
                locked=why,
                members=[],
                makers=[trace.blocks[maker].maker for maker in makers],
            )
        )
    group_of, unit_of = group_of[roots], unit_of[roots]
    _place(trace, groups, group_of, unit_of)
    return groups, group_of, unit_of


def _name(block: Any, roots: np.ndarray, family: list[int]) -> str:
    """The maker's name, with the range of its channels where it makes other groups too."""
    places = np.flatnonzero(np.isin(roots[block.channels], family))
    if len(places) == len(block.channels):
        return block.maker
    return f"{block.maker}[{places[0]}:{places[-1] + 1}]"


def _place(trace: Trace, groups: list[Group], group_of: np.ndarray, unit_of: np.ndarray) -> None:
    """Hand every slice to the groups whose channels it holds."""
    members: dict[tuple[int, int, str], Member] = {}
    spared = {int(number) for channels in trace.spared for number in np.unique(group_of[channels])}
    for piece in trace.slices.values():
        of_position = group_of[piece.channels]
        whole = piece
        for number in np.unique(of_position).tolist():
            # What something divides by stays as it is under a mask: zero would make NaN.
            piece = replace(whole, zero=False) if number in spared and whole.role != "reads" else whole
            positions = np.flatnonzero(of_position == number)
            part = Part(piece, positions, unit_of[piece.channels[positions]])
            key = (number, id(piece.call.layer), piece.role)
            if key not in members:
                members[key] = Member(piece.call.layer, piece.call.path, piece.role)
                groups[number].members.append(members[key])
            members[key].parts.append(part)
    for group in groups:
        if group.locked is None and not group.producers:  # zeros of a padding, tied to no channel
            group.locked = "constants, which cost nothing"
