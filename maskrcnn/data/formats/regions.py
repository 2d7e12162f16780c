"""Annotated regions: whatever a tool writes becomes one mask, checked against its annotation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dataset import DataError
from .json_values import numbers
from .run_lengths import RunLengths, from_polygons, pixel_box, pixel_count, union

Box = tuple[float, float, float, float]  # x0, y0, x1, y1, px
Part = np.ndarray | RunLengths  # a polygon (2 * points,) float64, x0, y0, x1, y1, ... px; or a mask

BAD_PART = "bad part of an outline"  # what `Dataset.dropped` calls it
_LEAST_INSIDE = 0.5  # share of an outline's box that must lie in the picture; the rest is clipped
_LEAST_IOU = 0.5  # of an annotation's box and its mask's, each grown by a pixel for rounding
_CURVE_POINTS = 64


@dataclass(frozen=True)
class Region:
    """One object of a picture.

    Attributes:
        where: "file, annotation", for messages.
        label: class name or position, as its loader has it.
        mask: COCO run lengths.
        box: (x0, y0, x1, y1) px inside the picture.
        crowd: the region covers a group.
        area: the source's own, or the mask's pixels.
    """

    where: str
    label: Any
    mask: RunLengths
    box: Box
    crowd: bool
    area: float


def make_region(
    where: str,
    label: Any,
    parts: Sequence[Part],
    size: tuple[int, int],
    bad_parts: Counter[str],
    box: Box | None = None,
    crowd: bool = False,
    area: float | None = None,
) -> Region:
    """The one place where an annotation is checked: its mask has pixels, its box is its mask's.

    A part that lies outside the picture or is a straight line is left out and counted if another part is good.

    Args:
        where: "file, annotation", for messages.
        label: class name or position.
        parts: polygons and masks that make up the object.
        size: (height, width) of the picture, px.
        bad_parts: counts the parts left out.
        box: the annotation's own, if it has one; else the extent of the parts.
        crowd: the region covers a group.
        area: the annotation's own, if it has one.

    Raises:
        DataError: for no area, what lies largely outside the picture, a mask without a pixel, or a box elsewhere.
    """
    boxes = [extent([part]) for part in parts]
    good = [i for i, (x0, y0, x1, y1) in enumerate(boxes) if x1 > x0 and y1 > y0 and share_inside(boxes[i], size)]
    if good and len(good) < len(parts):
        bad_parts[BAD_PART] += len(parts) - len(good)
        parts, boxes = [parts[i] for i in good], [boxes[i] for i in good]
    outer = _inside(_around(boxes), size, where, "outline")  # also keeps wild coordinates from being drawn
    polygons = [part for part in parts if isinstance(part, np.ndarray)]
    masks = [part for part in parts if not isinstance(part, np.ndarray)]
    mask = union([*masks, from_polygons(polygons, *size)] if polygons else masks)
    pixels = pixel_count(mask)
    if not pixels:
        raise DataError(
            f"{where}: its mask has no pixel: the outline is a line or a point. Draw it again or remove it.",
            "no area",
        )
    if box is None:
        box = outer
    else:
        box = _inside(box, size, where, "box")
        covered = pixel_box(mask)
        if _iou(_grown(box), _grown(covered)) < _LEAST_IOU:
            raise DataError(
                f"{where}: its box ({_shown(box)}) and its outline, which covers ({_shown(covered)}) (x0, y0, x1, "
                "y1), do not agree. COCO's bbox is left, top, width, height; correct one of the two.",
                "box elsewhere",
            )
    return Region(where, label, mask, box, crowd, float(pixels) if not area or area < 0 else area)


def polygons(outlines: Sequence[Any], where: str, bad_parts: Counter[str]) -> list[np.ndarray]:
    """The usable polygons of one object, as arrays.

    A part of under three points or an odd number of coordinates is left out and counted if another part is good.

    Args:
        outlines: lists of coordinates x0, y0, x1, y1, ...
        where: "file, annotation", for messages.
        bad_parts: counts the parts left out.

    Raises:
        DataError: if no part is good, or a coordinate is no number.
    """
    parts = [np.array(numbers(outline, "an outline", where)) for outline in outlines]
    good = [part for part in parts if len(part) >= 6 and len(part) % 2 == 0]
    if not good:
        if any(len(part) >= 6 for part in parts):
            raise DataError(
                f"{where}: a polygon has an odd number of coordinates; expected x, y, x, y, ... Draw it again.",
                "bad coordinates",
            )
        longest = max((len(part) // 2 for part in parts), default=0)
        raise DataError(
            f"{where}: a polygon has {longest} points and needs at least three. Draw it again or remove it.",
            "too few points",
        )
    if len(good) < len(parts):
        bad_parts[BAD_PART] += len(parts) - len(good)
    return good


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    """The outline of a rectangle, px."""
    return [x0, y0, x1, y0, x1, y1, x0, y1]


def ellipse(cx: float, cy: float, rx: float, ry: float, theta: float = 0.0) -> list[float]:
    """The outline of an ellipse turned by `theta` radians, px."""
    angle = np.arange(_CURVE_POINTS) * (2 * math.pi / _CURVE_POINTS)
    x, y = rx * np.cos(angle), ry * np.sin(angle)
    c, s = math.cos(theta), math.sin(theta)
    return np.stack([cx + c * x - s * y, cy + s * x + c * y], axis=1).ravel().tolist()


def is_closed(points: Sequence[Sequence[float]]) -> bool:
    """Whether a line of points (x, y) ends within a pixel of where it began, around at least a triangle."""
    return len(points) >= 4 and math.dist(points[0], points[-1]) <= 1


def extent(parts: Sequence[Part]) -> Box:
    """The box around polygons and masks."""
    boxes = []
    for part in parts:
        if isinstance(part, np.ndarray):
            x, y = part[::2].tolist(), part[1::2].tolist()
            boxes.append((min(x), min(y), max(x), max(y)))
        else:
            boxes.append(pixel_box(part))
    return _around(boxes)


def _around(boxes: Sequence[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def share_inside(box: Box, size: tuple[int, int]) -> float:
    """The share of a box with area that lies in a picture of size (height, width)."""
    x0, y0, x1, y1 = _clipped(box, size)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(0.0, x1 - x0) * max(0.0, y1 - y0) / area


def _inside(box: Box, size: tuple[int, int], where: str, what: str) -> Box:
    """The box clipped to the picture.

    Raises:
        DataError: if it has no area, or too little of it lies in the picture.
    """
    if box[2] <= box[0] or box[3] <= box[1]:
        raise DataError(
            f"{where}: the {what} ({_shown(box)}) (x0, y0, x1, y1) has no area. Draw it again or remove it.",
            "no area",
        )
    if share_inside(box, size) <= _LEAST_INSIDE:
        raise DataError(
            f"{where}: the {what} ({_shown(box)}) (x0, y0, x1, y1) lies largely outside the picture of "
            f"{size[1]}x{size[0]} px (width x height). Was another size of the picture annotated? Correct or remove "
            "it.",
            "outside the picture",
        )
    return _clipped(box, size)


def _clipped(box: Box, size: tuple[int, int]) -> Box:
    height, width = size
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))


def _grown(box: Box) -> Box:
    return box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1


def _iou(one: Box, other: Box) -> float:
    """As `box_overlap.aligned_iou`, without arrays: it is asked once an annotation."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared)


def _shown(box: Box) -> str:
    return ", ".join(f"{v:g}" for v in box)
