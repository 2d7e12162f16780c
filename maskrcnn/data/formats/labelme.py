"""LabelMe: one JSON file for each picture."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..dataset import DataError, Dataset
from ..picture_files.image_file import Exif, Source, inspect_picture, is_junk, locate
from ..picture_files.picture_source import EmbeddedImage
from .annotated import Checks, Picture, check_turn, labelled, picture_dataset
from .json_values import mapping, numbers, pixels, read_json, sequence, text
from .regions import BAD_PART, Part, Region, ellipse, extent, is_closed, make_region, polygons, rectangle
from .run_lengths import RunLengths, from_bitmap

_NO_CLASS = {"__ignore__", "_background_"}  # what LabelMe's own converters do not make objects of
_DEGENERATE = {"too few points", "no area"}


def load_labelme(
    folder: str | Path,
    strict: bool = True,
    class_names: Sequence[str] | None = None,
    exif: Exif = "auto",
) -> Dataset:
    """Pictures annotated with LabelMe: polygons, closed linestrips, rectangles (also turned), circles, masks.

    Shapes of one label that share a `group_id` are parts of one object. Shapes labelled `__ignore__` or
    `_background_` are passed over. A picture inside the file (`imageData`) is taken before the one that
    `imagePath` names, as LabelMe does.

    Args:
        folder: holds the JSON files; `imagePath` is relative to them.
        strict: raise on the first fault; else leave the faulty thing out and count it in `.dropped`.
        class_names: order of the labels, so that splits agree; sorted names if None.
        exif: "auto": pictures are turned by their EXIF orientation, as LabelMe shows them, but where the stated
            size is the stored one; "apply" or "ignore": all are turned, or none.

    Returns:
        A `Dataset`, in the order of file names. Pictures without shapes are kept; boxes are the outlines'
        extents.

    Raises:
        DataError: for any fault; the message names file and shape and says what to do.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder of LabelMe's JSON files.", "missing file")
    paths = sorted(path for path in folder.glob("*.json") if not is_junk(path))
    if not paths:
        raise DataError(f"{folder}: holds no LabelMe file (*.json).", "empty dataset")
    checks = Checks(strict)
    pictures: list[Picture] = []
    seen: dict[Path, Path] = {}
    for path in paths:
        content = checks.attempt(_content, path)
        if content is None:
            continue
        picture = checks.attempt(_picture, content, path, len(pictures), seen, checks, exif)
        if picture is None:
            continue
        for parts in _objects(content, path):
            region = checks.attempt(_region, parts, picture, checks)
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
        or not (content.get("imagePath") or content.get("imageData"))
    ):
        raise DataError(
            f"{path}: not a LabelMe file; expected an object with imagePath and the list shapes. Move other "
            "JSON files out of the folder."
        )
    return content


def _picture(
    content: dict[str, Any], path: Path, count: int, seen: dict[Path, Path], checks: Checks, exif: Exif
) -> Picture:
    named = path  # where there is no imagePath, the picture is in the file
    if content.get("imagePath"):
        named = locate(path.parent, text(content["imagePath"], "imagePath", str(path)))
    if named in seen:
        raise DataError(
            f"{path}: annotates {named.name}, as {seen[named].name} does; keep one of the two.", "duplicate id"
        )
    seen[named] = path
    source: Source = named
    if content.get("imageData") is not None:
        text(content["imageData"], "imageData", str(path))
        source = EmbeddedImage(path)
    height, width = content.get("imageHeight"), content.get("imageWidth")
    stated = None
    if height and width:
        stated = pixels(height, "imageHeight", str(path)), pixels(width, "imageWidth", str(path))
    file = inspect_picture(source, path, stated, True, exif, not checks.strict)
    picture = Picture(file, named.name, count + 1)
    if stated is None and exif == "auto":
        silent = Checks(strict=False)
        parts = [silent.attempt(_part, shape, "", picture, silent) for shape in content["shapes"]]
        check_turn(picture, [extent([part]) for part in parts if part is not None])
    return picture


def _objects(content: dict[str, Any], path: Path) -> list[list[tuple[str, Any]]]:
    """The shapes of each object, with what they are called in messages."""
    groups: dict[Any, list[tuple[str, Any]]] = {}
    for number, shape in enumerate(content["shapes"]):
        label = shape.get("label") if isinstance(shape, dict) else None
        if isinstance(label, str) and label.strip() in _NO_CLASS:
            continue
        group = shape.get("group_id") if isinstance(shape, dict) else None
        key = ("shape", number) if group is None else ("group", str(group), str(label))
        groups.setdefault(key, []).append((f"{path}, shape {number}", shape))
    return list(groups.values())


def _region(shapes: list[tuple[str, Any]], picture: Picture, checks: Checks) -> Region:
    where, first = shapes[0]
    label = mapping(first, "a shape", where).get("label")
    if label in (None, ""):
        raise DataError(
            f"{where}: unknown category: its label is {label!r}. Give it one.", "unknown category"
        )
    name = text(label, "label", where, "unknown category")
    parts, faults = [], []
    for place, shape in shapes:
        try:
            parts.append(_part(shape, place, picture, checks))
        except DataError as error:
            if error.reason not in _DEGENERATE:
                raise
            faults.append(error)
    if not parts:
        raise faults[0]
    if faults:
        checks.dropped[BAD_PART] += len(faults)
    return make_region(where, name, parts, picture.size, checks.dropped)


def _part(shape: Any, where: str, picture: Picture, checks: Checks) -> Part:
    """The outline of any of LabelMe's closed shapes."""
    kind = mapping(shape, "a shape", where).get("shape_type") or "polygon"
    given = sequence(shape.get("points"), "points", where)
    points = [numbers(point, "a point", where) for point in given]
    if any(len(point) != 2 for point in points):
        raise DataError(f"{where}: every point needs x and y; draw it again.", "bad coordinates")
    if kind == "mask":
        return _mask(shape.get("mask"), points, picture, where)
    if kind == "linestrip" and is_closed(points):
        kind, points = "polygon", points[:-1]
    if kind in ("polygon", "oriented_rectangle", "rotation"):
        return polygons([[v for point in points for v in point]], where, checks.dropped)[0]
    if kind not in ("rectangle", "circle"):
        raise DataError(
            f"{where}: shapes of type {kind!r} are not read; expected polygon, closed linestrip, rectangle, "
            "oriented_rectangle, circle or mask. Draw it again or remove it.",
            "unknown shape",
        )
    if len(points) < 2:
        raise DataError(
            f"{where}: a {kind} needs two points, found {len(points)}. Draw it again.", "too few points"
        )
    if kind == "rectangle":
        x, y = zip(*points, strict=True)
        return np.array(rectangle(min(x), min(y), max(x), max(y)))
    (cx, cy), edge = points[0], points[1]
    radius = math.dist((cx, cy), edge)
    return np.array(ellipse(cx, cy, radius, radius))


def _mask(data: Any, points: list[list[float]], picture: Picture, where: str) -> RunLengths:
    """A bitmap, base64 of a PNG, whose first and last pixel are the two points."""
    if len(points) < 2:
        raise DataError(f"{where}: a mask needs two points, found {len(points)}. Draw it again.", "too few points")
    try:
        with Image.open(io.BytesIO(base64.b64decode(text(data, "mask", where)))) as opened:
            bitmap = np.asarray(opened.convert("L")) > 0
    except (ValueError, OSError, SyntaxError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: its mask cannot be decoded ({error}). Draw it again.", "bad mask") from error
    (left, top), (right, bottom) = ([int(v) for v in point] for point in points[:2])
    if bitmap.shape != (bottom - top + 1, right - left + 1):
        raise DataError(
            f"{where}: its mask is {bitmap.shape[1]}x{bitmap.shape[0]} px (width x height), and its points span "
            f"{right - left + 1}x{bottom - top + 1}. Draw it again.",
            "bad mask",
        )
    height, width = picture.size
    whole = np.zeros(picture.size, bool)
    shown = bitmap[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    if shown.sum() * 2 <= bitmap.sum() > 0:
        raise DataError(
            f"{where}: its mask lies largely outside the picture of {width}x{height} px (width x height). Was another "
            "size of the picture annotated? Draw it again.",
            "outside the picture",
        )
    top, left = max(0, top), max(0, left)
    whole[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return from_bitmap(whole)
