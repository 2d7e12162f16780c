"""Outlines of masks, along the edges of their pixels."""

from __future__ import annotations

import numpy as np


def contours(mask: np.ndarray) -> list[np.ndarray]:
    """The closed outlines of a mask; filled by the even-odd rule they give the mask again, pixel for pixel.

    Args:
        mask: (H, W) bool.

    Returns:
        A list of (K, 2) float32 corners (x, y), px, one array for each outline and each hole; pixels that touch at a
        corner alone are not joined.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    inside = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    after = _edges(inside)
    found = []
    while after:
        start = min(after)
        corner, heading, outline = start, None, []
        while corner in after:
            ways = after[corner]
            way = _turn(ways, heading)
            ways.remove(way)
            if not ways:
                del after[corner]
            if way != heading:  # a straight run has corners at its ends alone
                outline.append(corner)
            heading = way
            corner = (corner[0] + way[0], corner[1] + way[1])
        found.append(np.array(outline, np.float32)[:, ::-1] + np.array([left, top], np.float32))
    return found


def _edges(inside: np.ndarray) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Corner (y, x) -> steps to the next one, the mask on the right hand; counted from the picture's corner."""
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    above = inside[1:, 1:-1].astype(int) - inside[:-1, 1:-1]  # 1: the mask begins below this edge
    before = inside[1:-1, 1:].astype(int) - inside[1:-1, :-1]  # 1: it begins right of this edge
    for edge, (dy, dx) in (
        (above == 1, (0, 1)),
        (above == -1, (0, -1)),
        (before == 1, (-1, 0)),
        (before == -1, (1, 0)),
    ):
        for y, x in np.argwhere(edge).tolist():
            after.setdefault((y + (dy < 0), x + (dx < 0)), []).append((dy, dx))
    return after


def _turn(ways: list[tuple[int, int]], heading: tuple[int, int] | None) -> tuple[int, int]:
    """Where an outline goes on; where two meet, to the right, so that they stay apart."""
    if heading is None or len(ways) == 1:
        return ways[0]
    right = (heading[1], -heading[0])
    return right if right in ways else ways[0]
