"""VGG Image Annotator: 1.x (regions are a dict), 2.x (a list), and the saved project of 2.x."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..dataset import DataError, Dataset
from ..picture_files.image_file import Exif, inspect_picture, is_junk, locate
from .annotated import Checks, Picture, check_turn, labelled, picture_dataset
from .json_values import flag, mapping, number, numbers, read_json, sequence, shown, text
from .regions import Part, ellipse, extent, is_closed, make_region, polygons, rectangle

_SPLITS = {"train", "val", "valid", "validation", "test"}


def load_via(
    folder: str | Path,
    strict: bool = True,
    class_attribute: str | None = None,
    class_name: str | None = None,
    class_names: Sequence[str] | None = None,
    exif: Exif = "auto",
) -> Dataset:
    """Pictures annotated with VIA: polygons, closed polylines, rectangles, circles and ellipses.

    The class of a region is its attribute `class_attribute` (a text, or the one option ticked). Without it,
    the only attribute that regions have is taken; where regions have none, all are of one class, called
    `class_name` or, by default, as the folder (its parent, if the folder is a split such as "train").

    Args:
        folder: holds the pictures and one JSON file (`via_region_data.json`, if several); or that file's
            path.
        strict: raise on the first fault; else leave the faulty thing out and count it in `.dropped`.
        class_attribute: name of the region attribute that holds the class.
        class_name: makes all regions this one class.
        class_names: order of the labels, so that splits agree; sorted names if None.
        exif: "auto" or "apply": pictures are turned by their EXIF orientation, as browsers show them to VIA;
            "ignore": they are read as stored, which browsers showed before 2020.

    Returns:
        A `Dataset`. Pictures without regions are kept; boxes are the outlines' extents.

    Raises:
        DataError: for any fault; the message names file and region and says what to do.
    """
    if class_attribute is not None and class_name is not None:
        raise DataError(
            "load_via: class_attribute reads the class and class_name fixes it; give one of them."
        )
    path = _annotations(Path(folder))
    entries = _entries(path)
    if class_attribute is None and class_name is None:
        class_attribute = _only_attribute(entries, path)
        class_name = _folder_name(path.parent) if class_attribute is None else None
    if class_name is not None and class_names is None:
        class_names = [class_name]

    checks = Checks(strict)
    pictures: list[Picture] = []
    seen: set[str] = set()
    for key, entry in entries.items():
        picture = checks.attempt(_picture, entry, f"{path}, {key}", len(pictures), seen, path, checks, exif)
        if picture is None:
            continue
        drawn = []
        for position, region in _regions(entry):
            where = f"{path}, {picture.name}, region {position}"
            found = checks.attempt(_drawn, region, where, class_attribute, class_name, checks)
            drawn += [(where, *found)] if found is not None else []
        if checks.attempt(_fits, picture, drawn, exif) is None:
            checks.dropped["picture left out"] += len(drawn)
            continue
        for where, label, parts in drawn:
            made = checks.attempt(make_region, where, label, parts, picture.size, checks.dropped)
            if made is not None:
                picture.regions.append(made)
        pictures.append(picture)
    if not pictures:
        return picture_dataset(str(path), [], pictures, checks)  # says that it is empty
    names = labelled(pictures, class_names, path, checks)
    return picture_dataset(str(path.parent), names, pictures, checks)


def _annotations(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(
            f"{path}: no such folder; give the folder of the pictures and their VIA file.", "missing file"
        )
    found = sorted(file for file in path.glob("*.json") if not is_junk(file))
    usual = path / "via_region_data.json"
    if usual in found:
        return usual
    if len(found) != 1:
        raise DataError(
            f"{path}: expected one VIA file (*.json), found {[f.name for f in found]}. Put one there or "
            "give its path.",
            "missing file",
        )
    return found[0]


def _entries(path: Path) -> dict[str, Any]:
    """VIA's key -> an entry for each picture."""
    content = read_json(path, unique_keys=True)
    if isinstance(content, dict) and "_via_img_metadata" in content:
        content = content["_via_img_metadata"]
    if not isinstance(content, dict) or (content and not any(map(_is_entry, content.values()))):
        raise DataError(
            f"{path}: not a VIA annotation file; expected entries with filename and regions. In VIA, "
            "export annotations as JSON or save the project."
        )
    return content


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and "filename" in value and "regions" in value


def _regions(entry: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    regions = entry["regions"]
    yield from regions.items() if isinstance(regions, dict) else enumerate(regions or [])


def _only_attribute(entries: dict[str, Any], path: Path) -> str | None:
    """The one attribute that regions have, or None if they have none."""
    attributes = {
        name
        for entry in entries.values()
        if _is_entry(entry) and isinstance(entry["regions"], dict | list)
        for _, region in _regions(entry)
        if isinstance(region, dict) and isinstance(region.get("region_attributes"), dict)
        for name in region["region_attributes"]
    }
    if len(attributes) > 1:
        raise DataError(
            f"{path}: regions have the attributes {sorted(attributes)}; say which one is the class with "
            "class_attribute=, or make all one class with class_name=."
        )
    return next(iter(attributes), None)


def _folder_name(folder: Path) -> str:
    folder = folder.resolve()
    return (folder.parent.name if folder.name.lower() in _SPLITS else folder.name) or "object"


def _picture(
    entry: Any, where: str, count: int, seen: set[str], path: Path, checks: Checks, exif: Exif
) -> Picture:
    if not _is_entry(entry):
        raise DataError(
            f"{where}: this entry, {shown(entry)}, needs filename and regions. Export the annotations from VIA again."
        )
    written = text(entry["filename"], "filename", where)
    name = written.replace("\\", "/")
    if name in seen:
        raise DataError(f"{path}: {name} is annotated twice; merge the two entries.", "duplicate id")
    seen.add(name)
    if entry["regions"] is not None and not isinstance(entry["regions"], dict):
        sequence(entry["regions"], "regions", where)
    source = locate(path.parent, written)
    file = inspect_picture(source, path, None, True, exif, not checks.strict)
    return Picture(file, name, count + 1)


def _drawn(
    region: Any, where: str, class_attribute: str | None, class_name: str | None, checks: Checks
) -> tuple[str, list[Part]]:
    """The class and the outline of a region."""
    shape = mapping(mapping(region, "a region", where).get("shape_attributes"), "shape_attributes", where)
    label = class_name if class_name is not None else _class_of(region, class_attribute or "", where)
    return label, [*polygons([_outline(shape, where)], where, checks.dropped)]


def _fits(picture: Picture, drawn: list[tuple[str, str, list[Part]]], exif: Exif) -> bool:
    if exif == "auto":
        check_turn(picture, [extent(parts) for _, _, parts in drawn])
    return True


def _class_of(region: dict[str, Any], attribute: str, where: str) -> str:
    attributes = mapping(region.get("region_attributes") or {}, "region_attributes", where)
    value = attributes.get(attribute)
    if isinstance(value, dict):  # a checkbox: option -> ticked
        ticked = [name for name, on in value.items() if flag(on, name, where)]
        value = ticked[0] if len(ticked) == 1 else None
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            f"{where}: unknown category: its attribute {attribute!r} is {attributes.get(attribute)!r}. Set "
            "one class there, or give class_name= for a single class.",
            "unknown category",
        )
    return value.strip()


def _outline(shape: dict[str, Any], where: str) -> list[float]:
    """One polygon [x0, y0, ...] for any of VIA's closed shapes."""
    kind = shape.get("name")

    def read(*keys: str) -> list[float]:
        missing = [key for key in keys if key not in shape]
        if missing:
            raise DataError(
                f"{where}: the {kind} lacks {missing}; draw it again or remove it.", "bad coordinates"
            )
        return [number(shape[key], key, where) for key in keys]

    if kind in ("polygon", "polyline"):
        x, y = (numbers(shape.get(f"all_points_{axis}", []), f"all_points_{axis}", where) for axis in "xy")
        if len(x) != len(y):
            raise DataError(
                f"{where}: {len(x)} x but {len(y)} y coordinates; draw it again.", "bad coordinates"
            )
        points = list(zip(x, y, strict=True))
        if kind == "polyline" and is_closed(points):
            kind, points = "polygon", points[:-1]
        if kind == "polygon":
            return [v for point in points for v in point]
    if kind == "rect":
        left, top, wide, high = read("x", "y", "width", "height")
        return rectangle(left, top, left + wide, top + high)
    if kind == "circle":
        cx, cy, r = read("cx", "cy", "r")
        return ellipse(cx, cy, r, r)
    if kind == "ellipse":
        cx, cy, rx, ry = read("cx", "cy", "rx", "ry")
        return ellipse(cx, cy, rx, ry, number(shape.get("theta", 0.0), "theta", where))
    also = " that is not closed" if kind == "polyline" else ""
    raise DataError(
        f"{where}: a shape of kind {kind!r}{also} has no area; expected polygon, closed polyline, rect, circle or "
        "ellipse. Draw it again or remove it.",
        "unknown shape",
    )
