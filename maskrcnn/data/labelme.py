"""LabelMe: one JSON file for each picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from .dataset import DataError, Dataset
from .files import read_json
from .pictures import Checks, Picture, labelled, picture_dataset
from .regions import Region, ellipse, extent, inside, numbers, polygons, rectangle


def load_labelme(
    folder: str | Path, strict: bool = True, class_names: Sequence[str] | None = None
) -> Dataset:
    """Pictures annotated with LabelMe: polygons, rectangles, circles.

    Shapes of one label that share a `group_id` are parts of one object.

    Args:
        folder: holds the JSON files; `imagePath` is relative to them.
        strict: raise on the first fault; else leave the faulty thing out and count it in `.dropped`.
        class_names: order of the labels, so that splits agree; sorted names if None.

    Returns:
        A `Dataset`, in the order of file names. Pictures without shapes are kept; boxes are the outlines'
        extents.

    Raises:
        DataError: for any fault; the message names file and shape and says what to do.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder of LabelMe's JSON files.", "missing file")
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise DataError(f"{folder}: holds no LabelMe file (*.json).", "empty dataset")
    checks = Checks(strict)
    pictures: list[Picture] = []
    seen: dict[Path, Path] = {}
    for path in paths:
        content = checks.attempt(_content, path)
        if content is None:
            continue
        picture = checks.attempt(_picture, content, path, len(pictures), seen, checks)
        if picture is None:
            continue
        groups: dict[Any, list[tuple[str, Any]]] = {}
        for number, shape in enumerate(content["shapes"]):
            group = shape.get("group_id") if isinstance(shape, dict) else None
            key = ("shape", number) if group is None else ("group", str(group), str(shape.get("label")))
            groups.setdefault(key, []).append((f"{path}, shape {number}", shape))
        for parts in groups.values():
            region = checks.attempt(_region, parts, picture)
            if region is not None:
                picture.regions.append(region)
        pictures.append(picture)
    if not pictures:
        return picture_dataset(str(folder), [], pictures, checks)  # says that it is empty
    names = labelled(pictures, class_names, folder, checks)
    return picture_dataset(str(folder), names, pictures, checks)


def _content(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if (
        not isinstance(content, dict)
        or not isinstance(content.get("shapes"), list)
        or not content.get("imagePath")
    ):
        raise DataError(
            f"{path}: not a LabelMe file; expected an object with imagePath and the list shapes. Move other "
            "JSON files out of the folder."
        )
    return content


def _picture(
    content: dict[str, Any], path: Path, number: int, seen: dict[Path, Path], checks: Checks
) -> Picture | None:
    # LabelMe on Windows writes backslashes.
    image = path.parent / PureWindowsPath(content["imagePath"]).as_posix()
    if image in seen:
        raise DataError(
            f"{path}: annotates {image.name}, as {seen[image].name} does; keep one of the two.",
            "duplicate id",
        )
    seen[image] = path
    height, width = content.get("imageHeight"), content.get("imageWidth")
    stated = (int(height), int(width)) if height and width else None
    size = checks.size(image, path, stated)
    return None if size is None else Picture(image, image.name, number + 1, *size)


def _region(parts: list[tuple[str, Any]], picture: Picture) -> Region:
    where, first = parts[0]
    label = first.get("label") if isinstance(first, dict) else None
    if not isinstance(label, str) or not label.strip():
        raise DataError(
            f"{where}: unknown category: its label is {label!r}. Give it one.", "unknown category"
        )
    outlines = [polygons([_outline(shape, place)], place)[0] for place, shape in parts]
    return Region(
        where, label.strip(), outlines, inside(extent(outlines), picture.height, picture.width, where)
    )


def _outline(shape: dict[str, Any], where: str) -> list[float]:
    """One polygon [x0, y0, ...] for any of LabelMe's closed shapes."""
    kind = shape.get("shape_type") or "polygon"
    points = [numbers(point, where) for point in shape.get("points") or []]
    if any(len(point) != 2 for point in points):
        raise DataError(f"{where}: every point needs x and y; draw it again.", "bad coordinates")
    if kind == "polygon":
        return [v for point in points for v in point]
    if kind not in ("rectangle", "circle"):
        raise DataError(
            f"{where}: shapes of type {kind!r} are not read; expected polygon, rectangle or circle. Draw it "
            "again or remove it.",
            "unknown shape",
        )
    if len(points) < 2:
        raise DataError(
            f"{where}: a {kind} needs two points, found {len(points)}. Draw it again.", "too few points"
        )
    if kind == "rectangle":
        x, y = zip(*points, strict=True)
        return rectangle(min(x), min(y), max(x), max(y))
    (cx, cy), edge = points[0], points[1]
    radius = math.dist((cx, cy), edge)
    return ellipse(cx, cy, radius, radius)
