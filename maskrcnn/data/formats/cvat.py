"""CVAT's own export, "CVAT for images 1.1": annotations.xml, and a folder of pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ..dataset import DataError, Dataset
from ..picture_files.image_file import Exif, inspect_picture, locate
from ..picture_files.picture_places import picture_folder
from .annotated import Checks, Picture, labelled, picture_dataset
from .json_values import identifier, number, pixels, text
from .regions import Part, Region, ellipse, is_closed, make_region, polygons, rectangle
from .run_lengths import from_bitmap

_SHAPES = ("polygon", "box", "ellipse", "mask", "polyline", "points", "cuboid", "skeleton")
_NO_OBJECT = ("tag", "points", "polyline", "cuboid", "skeleton")  # types of labels that draw no area


def load_cvat(
    annotations: str | Path,
    images: str | Path | None = None,
    strict: bool = True,
    class_names: Sequence[str] | None = None,
    exif: Exif = "auto",
) -> Dataset:
    """Pictures annotated with CVAT and exported as "CVAT for images 1.1": polygons, boxes, ellipses, masks.

    Shapes of one label that share a `group_id` are parts of one object. (CVAT's COCO export is read by `load_coco`.)

    Args:
        annotations: annotations.xml.
        images: the folder that names of pictures are relative to; None: it is looked for beside the file.
        strict: raise on the first fault; else leave the faulty thing out and count it in `.dropped`.
        class_names: order of the labels, so that splits agree; the labels of the file in their order if None.
        exif: as for `load_coco`.

    Returns:
        A `Dataset`. Pictures without shapes are kept; boxes are the outlines' extents.

    Raises:
        DataError: for any fault; the message names file, picture and shape and says what to do.
    """
    path = Path(annotations)
    root = _content(path)
    entries = root.findall("image")
    names = [name for entry in entries for name in _names(entry)]
    folder = picture_folder(path, names) if images is None else Path(images)
    checks, pictures = Checks(strict), []
    for entry in entries:
        where = f"{path}, image {entry.get('name')}"
        picture = checks.attempt(_picture, entry, folder, path, where, checks, exif)
        if picture is None:
            continue
        for parts in _objects(entry, where):
            region = checks.attempt(_region, parts, picture, checks)
            if region is not None:
                picture.regions.append(region)
        pictures.append(picture)
    if not pictures:
        return picture_dataset(str(path), [], pictures, checks)  # says that it is empty
    known = labelled(pictures, class_names if class_names is not None else _labels(root), path, checks)
    return picture_dataset(str(path), known, pictures, checks)


def _content(path: Path) -> ElementTree.Element:
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise DataError(f"{path}: no such annotation file; check the path.", "missing file") from None
    except (ElementTree.ParseError, OSError) as error:
        raise DataError(f"{path}: not readable as XML ({error}); export the annotations again.") from None
    if root.tag != "annotations" or root.find("track") is not None or root.find("image") is None:
        video = root.find("track") is not None
        raise DataError(
            f"{path}: not an export of CVAT for images{' but of CVAT for video' if video else ''}. In CVAT, export the "
            'dataset as "CVAT for images 1.1" or as COCO.'
        )
    return root


def _labels(root: ElementTree.Element) -> list[str] | None:
    """The labels of the task or project that draw an area, in order; None where the file does not list them."""
    found = [
        label.findtext("name", "").strip()
        for label in root.iter("label")
        if label.find("name") is not None and label.find("parent") is None and label.findtext("type") not in _NO_OBJECT
    ]
    return list(dict.fromkeys(found)) or None


def _names(entry: ElementTree.Element) -> list[str]:
    """What a picture may be called: projects are exported with a folder for each subset."""
    name, subset = entry.get("name", ""), entry.get("subset")
    return [name, f"{subset}/{name}"] if subset else [name]


def _picture(
    entry: ElementTree.Element, folder: Path, path: Path, where: str, checks: Checks, exif: Exif
) -> Picture:
    name = text(entry.get("name"), "name", where)
    stated = pixels(entry.get("height"), "height", where), pixels(entry.get("width"), "width", where)
    places = [locate(folder, one) for one in _names(entry)]
    source = next((place for place in places if place.is_file()), places[0])
    file = inspect_picture(source, path, stated, False, exif, not checks.strict)
    given = entry.get("id", "")
    image_id = identifier(int(given) if given.isdecimal() else given, "its id", where)
    return Picture(file, name.replace("\\", "/"), image_id)


def _objects(entry: ElementTree.Element, where: str) -> list[list[tuple[str, ElementTree.Element]]]:
    """The shapes of each object, with what they are called in messages."""
    groups: dict[tuple, list[tuple[str, ElementTree.Element]]] = {}
    for position, shape in enumerate(one for one in entry if one.tag in _SHAPES):
        group = shape.get("group_id")
        key = ("group", group, shape.get("label")) if group and group != "0" else ("shape", position)
        groups.setdefault(key, []).append((f"{where}, shape {position}", shape))
    return list(groups.values())


def _region(shapes: list[tuple[str, ElementTree.Element]], picture: Picture, checks: Checks) -> Region:
    where, first = shapes[0]
    name = text(first.get("label"), "label", where, "unknown category")
    parts = [part for place, shape in shapes for part in _parts(shape, place, picture, checks)]
    return make_region(where, name, parts, picture.size, checks.dropped)


def _parts(shape: ElementTree.Element, where: str, picture: Picture, checks: Checks) -> Sequence[Part]:
    def read(*keys: str) -> list[float]:
        return [number(shape.get(key), key, where) for key in keys]

    turn = math.radians(number(shape.get("rotation", "0"), "rotation", where))
    if shape.tag == "mask":
        return [_mask(shape, where, picture)]
    if shape.tag == "box":
        x0, y0, x1, y1 = read("xtl", "ytl", "xbr", "ybr")
        return [_turned(np.array(rectangle(x0, y0, x1, y1)), ((x0 + x1) / 2, (y0 + y1) / 2), turn)]
    if shape.tag == "ellipse":
        cx, cy, rx, ry = read("cx", "cy", "rx", "ry")
        return [np.array(ellipse(cx, cy, rx, ry, turn))]
    if shape.tag in ("polygon", "polyline"):
        points = [[number(v, "a point", where) for v in pair.split(",")] for pair in shape.get("points", "").split(";")]
        if shape.tag == "polygon" or is_closed(points):
            return polygons([[v for point in points for v in point]], where, checks.dropped)
    raise DataError(
        f"{where}: a {shape.tag} has no area; expected polygon, closed polyline, box, ellipse or mask. Draw it "
        "again or remove it.",
        "unknown shape",
    )


def _turned(outline: np.ndarray, centre: tuple[float, float], turn: float) -> np.ndarray:
    """A polygon turned by radians about a point, clockwise as seen."""
    cos, sin = math.cos(turn), math.sin(turn)
    offsets = outline.reshape(-1, 2) - centre
    return (offsets @ np.array([[cos, sin], [-sin, cos]]) + centre).ravel()


def _mask(shape: ElementTree.Element, where: str, picture: Picture) -> Part:
    """A bitmap: run lengths along the rows of a window of the picture, background first."""
    left, top, width, height = (
        int(number(shape.get(key), key, where)) for key in ("left", "top", "width", "height")
    )
    runs = [int(number(run, "a run of its mask", where)) for run in shape.get("rle", "").split(",")]
    rows, columns = picture.size
    inside = min(left, top) >= 0 and left + width <= columns and top + height <= rows
    if min(runs) < 0 or sum(runs) != width * height or not inside:
        raise DataError(
            f"{where}: its mask of {width}x{height} px at {left}, {top} has runs of {sum(runs)} px in a picture of "
            f"{columns}x{rows} px (width x height). Export it again, or draw it again.",
            "bad mask",
        )
    values = np.arange(len(runs)) % 2 == 1
    whole = np.zeros(picture.size, bool)
    whole[top : top + height, left : left + width] = np.repeat(values, runs).reshape(height, width)
    return from_bitmap(whole)
