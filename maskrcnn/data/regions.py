"""Annotated regions: checked when loaded, turned into masks when read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from .dataset import DataError

Polygons = list[np.ndarray]  # each (2 * points,) float64, x0, y0, x1, y1, ..., px

_SLACK = 2.0  # px that hand-drawn outlines may leave the picture by; they are clipped
_CURVE_POINTS = 64


@dataclass(frozen=True)
class Region:
    """One object of a picture.

    Attributes:
        where: "file, annotation", for messages.
        label: class name or position, as its loader has it.
        outline: polygons, or a COCO run-length dict ("size" (h, w), "counts").
        box: (x0, y0, x1, y1) px inside the picture.
        crowd: the region covers a group.
        area: the source's own, or None.
    """

    where: str
    label: Any
    outline: Polygons | dict[str, Any]
    box: tuple[float, float, float, float]
    crowd: bool = False
    area: float | None = None


def numbers(values: Any, where: str) -> list[float]:
    """The values as finite floats.

    Raises:
        DataError: if one is not a finite number.
    """
    try:
        found = [float(v) for v in values]
    except (TypeError, ValueError):
        found = [math.nan]
    if not all(math.isfinite(v) for v in found):
        raise DataError(
            f"{where}: coordinates must be finite numbers; found {str(values)[:80]}. Draw it again.",
            "bad coordinates",
        )
    return found


def polygons(outlines: Sequence[Any], where: str) -> Polygons:
    """Checked polygons, as arrays (a quarter of the memory of lists).

    Raises:
        DataError: if there is none, or one has under three points or an odd number of coordinates.
    """
    checked = [np.array(numbers(outline, where)) for outline in outlines]
    if not checked or any(len(outline) < 6 for outline in checked):
        shortest = min((len(outline) // 2 for outline in checked), default=0)
        raise DataError(
            f"{where}: a polygon has {shortest} points and needs at least three. Draw it again or remove it.",
            "too few points",
        )
    if any(len(outline) % 2 for outline in checked):
        raise DataError(
            f"{where}: a polygon has an odd number of coordinates; expected x, y, x, y, ... Draw it again.",
            "bad coordinates",
        )
    return checked


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    """The outline of a rectangle, px."""
    return [x0, y0, x1, y0, x1, y1, x0, y1]


def ellipse(cx: float, cy: float, rx: float, ry: float, theta: float = 0.0) -> list[float]:
    """The outline of an ellipse turned by `theta` radians, px."""
    angle = np.arange(_CURVE_POINTS) * (2 * math.pi / _CURVE_POINTS)
    x, y = rx * np.cos(angle), ry * np.sin(angle)
    c, s = math.cos(theta), math.sin(theta)
    return np.stack([cx + c * x - s * y, cy + s * x + c * y], axis=1).ravel().tolist()


def extent(outline: Polygons) -> tuple[float, float, float, float]:
    """The box (x0, y0, x1, y1) of some polygons."""
    points = np.concatenate(outline).reshape(-1, 2)
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x0, y0, x1, y1


def inside(box: Sequence[float], height: int, width: int, where: str) -> tuple[float, float, float, float]:
    """The box clipped to the picture.

    Args:
        box: (x0, y0, x1, y1) px.

    Raises:
        DataError: if it has no area or leaves the picture by more than 2 px.
    """
    x0, y0, x1, y1 = box
    shown = ", ".join(f"{v:g}" for v in box)
    if x1 <= x0 or y1 <= y0:
        raise DataError(
            f"{where}: the box ({shown}) (x0, y0, x1, y1) has no area. Draw it again or remove it.", "no area"
        )
    clipped = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    empty = clipped[2] <= clipped[0] or clipped[3] <= clipped[1]
    if empty or min(x0, y0) < -_SLACK or x1 > width + _SLACK or y1 > height + _SLACK:
        raise DataError(
            f"{where}: the box ({shown}) (x0, y0, x1, y1) lies outside the picture of {width}x{height} px "
            "(width x height). Was another size of the picture annotated? Correct or remove it.",
            "outside the picture",
        )
    return clipped


def run_length(outline: dict[str, Any], height: int, width: int, where: str) -> dict[str, Any]:
    """A COCO run-length outline, compressed or not, in pycocotools' form.

    Raises:
        DataError: if its size is not the picture's, or its runs do not fill it.
    """
    counts, size = outline.get("counts"), outline.get("size")
    if size is None or [int(v) for v in size] != [height, width]:
        raise DataError(
            f"{where}: the run-length mask has size {size} (height, width); the picture is "
            f"[{height}, {width}]. Encode it for this picture.",
            "image size",
        )
    if isinstance(counts, list):
        if sum(counts) != height * width or min(counts, default=0) < 0:
            raise DataError(
                f"{where}: the runs of its mask sum to {sum(counts)}, expected {height * width}. "
                "Encode it again.",
                "bad mask",
            )
        return coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    if not isinstance(counts, str | bytes) or not counts:
        raise DataError(
            f"{where}: a run-length mask needs counts; found {counts!r}. Encode it again.", "bad mask"
        )
    return {"size": [height, width], "counts": counts.encode() if isinstance(counts, str) else counts}


def decode(region: Region, height: int, width: int) -> np.ndarray:
    """The region's mask, (H, W) bool; several polygons make one mask.

    Raises:
        DataError: if a run-length mask is broken.
    """
    runs = region.outline
    try:
        if isinstance(runs, list):
            runs = coco_mask.merge(coco_mask.frPyObjects(runs, height, width))
        return coco_mask.decode(runs).astype(bool)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{region.where}: its mask cannot be decoded ({error}). Encode it again.", "bad mask"
        ) from error
