"""The parts of the network in plots: which layer is whose, their order and their colours."""

from __future__ import annotations

from collections.abc import Iterable

from style import COLOURS

_PARTS = ("features", "fpn", "rpn", "box_head", "mask_head")


def part_of(layer: str) -> str:
    """The part that a layer or group belongs to; the pyramid is told apart from the backbone by its layers' names."""
    part, _, name = layer.partition("/")
    return "fpn" if part == "features" and name.startswith("fpn") else part


def in_order(parts: Iterable[str]) -> list[str]:
    """Every part once: those of the network in its own order, then others."""
    found = set(parts)
    return [part for part in _PARTS if part in found] + sorted(found.difference(_PARTS))


def part_colour(part: str, parts: Iterable[str]) -> str:
    """A part's colour, the same in every plot; `parts` are all that are drawn."""
    return COLOURS[in_order([*_PARTS, *parts]).index(part) % len(COLOURS)]
