"""COCO instance annotations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..dataset import DataError, Dataset
from ..picture_files.image_file import Exif, inspect_picture, locate
from ..picture_files.picture_places import picture_folder
from .annotated import Checks, Picture, picture_dataset
from .coco_categories import Categories
from .json_values import flag, identifier, number, numbers, pixels, read_json, shown, text
from .regions import Box, Part, Region, make_region, polygons
from .run_lengths import checked_runs

_LISTS = ("images", "annotations", "categories")


def load_coco(
    annotations: str | Path,
    images: str | Path | None = None,
    strict: bool = True,
    class_names: Sequence[str] | None = None,
    exif: Exif = "auto",
) -> Dataset:
    """Pictures with COCO instance annotations: polygons, run-length masks (both kinds), crowds.

    Pictures without objects are kept. Boxes are the annotations' `bbox`; where one is absent, the outline's
    extent. Ids of pictures and categories may be numbers or texts; they are kept in `Sample.image_id` and
    `Dataset.category_ids`. A category that nothing uses and that stands above the others, as Roboflow writes for
    the project, is no class.

    Args:
        annotations: the instances JSON file.
        images: the folder that `file_name` is relative to; None: it is looked for beside the file, where Roboflow,
            CVAT and COCO itself put it.
        strict: raise on the first fault; else leave the faulty thing out and count it in `.dropped` (every
            picture is then decoded once, to find truncated ones).
        class_names: the classes to use, in the order of their labels; objects of others are not read, and the file
            may lack some. All categories by id if None.
        exif: "auto": a picture with an EXIF orientation is read turned or as stored as its stated size tells, and
            refused where that tells nothing; "apply" or "ignore": all are turned, or none.

    Returns:
        A `Dataset`.

    Raises:
        DataError: for any fault; the message names file and annotation and says what to do.
    """
    path = Path(annotations)
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in _LISTS):
        raise DataError(
            f"{path}: not a COCO instances file; expected an object with the lists {', '.join(_LISTS)}."
        )
    folder = picture_folder(path, _file_names(content["images"])) if images is None else Path(images)
    checks = Checks(strict)
    reader = _Reader(path, folder, exif, Categories(content, class_names, path, checks), checks)
    for entry in content["images"]:
        reader.add_picture(entry)
    for position, entry in enumerate(content["annotations"]):
        reader.add_annotation(entry, position)
    categories = reader.categories
    return picture_dataset(
        str(path), categories.names, list(reader.pictures.values()), reader.checks, categories.ids
    )


def _file_names(entries: list[Any]) -> list[str]:
    found = (entry.get("file_name") for entry in entries if isinstance(entry, dict))
    return [name for name in found if isinstance(name, str)]


class _Reader:
    """The pictures and annotations read so far."""

    def __init__(self, path: Path, folder: Path, exif: Exif, categories: Categories, checks: Checks) -> None:
        self.path, self.folder, self.exif, self.categories = path, folder, exif, categories
        self.checks = checks
        self.pictures: dict[int | str, Picture] = {}
        self._met: dict[int | str, None] = {}  # ids of pictures, also of those left out
        self._taken: set[int | str] = set()  # ids of annotations

    def add_picture(self, entry: Any) -> None:
        picture = self.checks.attempt(self._picture, entry)
        if picture is not None:
            self.pictures[picture.image_id] = picture

    def add_annotation(self, entry: Any, position: int) -> None:
        region = self.checks.attempt(self._region, entry, position)
        if region is not None:
            self.pictures[entry["image_id"]].regions.append(region)

    def _picture(self, entry: Any) -> Picture:
        if not isinstance(entry, dict) or "id" not in entry or "file_name" not in entry:
            raise DataError(f"{self.path}: image {shown(entry)} needs id and file_name.")
        image_id = identifier(entry["id"], "the id of an image", str(self.path))
        where = f"{self.path}, image {image_id}"
        if image_id in self._met:
            raise DataError(
                f"{self.path}: image id {image_id} ({entry['file_name']}) occurs twice; give each picture its own.",
                "duplicate id",
            )
        _check_kind(image_id, self._met, f"{where}: its id")
        self._met[image_id] = None
        name = text(entry["file_name"], "file_name", where)
        stated = None
        if entry.get("height") is not None and entry.get("width") is not None:
            stated = pixels(entry["height"], "height", where), pixels(entry["width"], "width", where)
        source = locate(self.folder, name)
        file = inspect_picture(source, self.path, stated, False, self.exif, not self.checks.strict)
        return Picture(file, name.replace("\\", "/"), image_id)

    def _region(self, entry: Any, position: int) -> Region | None:
        """One annotation, checked; None if its picture was left out or its class is not wanted."""
        if not isinstance(entry, dict) or "image_id" not in entry or "category_id" not in entry:
            raise DataError(f"{self.path}: annotation {shown(entry)} needs image_id and category_id.")
        where = f"{self.path}, annotation number {position}"
        if entry.get("id") is not None:
            annotation_id = identifier(entry["id"], "its id", where)
            where = f"{self.path}, annotation {annotation_id}"
            if annotation_id in self._taken:
                raise DataError(
                    f"{where}: this annotation id occurs twice; give each annotation its own.", "duplicate id"
                )
            self._taken.add(annotation_id)
        image_id = identifier(entry["image_id"], "image_id", where)
        picture = self.pictures.get(image_id)
        if picture is None:
            if image_id in self._met:
                raise DataError(f"{where}: its picture was left out.", "picture left out")
            _check_kind(image_id, self._met, f"{where}: image_id")
            raise DataError(
                f"{where}: image_id {image_id} is not among the images. Add the image or remove the annotation.",
                "unknown image",
            )
        where += f" ({picture.name})"
        label = self.categories.label(entry["category_id"], where)
        if not label:
            return None
        parts = self._parts(entry.get("segmentation"), picture, where)
        crowd = flag(entry.get("iscrowd"), "iscrowd", where)
        area = None if entry.get("area") is None else number(entry["area"], "area", where)
        box = None if entry.get("bbox") is None else _box(entry["bbox"], where)
        return make_region(where, label, parts, picture.size, self.checks.dropped, box, crowd, area)

    def _parts(self, outline: Any, picture: Picture, where: str) -> Sequence[Part]:
        if isinstance(outline, dict):
            return [checked_runs(outline, *picture.size, where)]
        if not isinstance(outline, list) or not any(part != [] for part in outline):
            raise DataError(
                f"{where}: has no segmentation (found {shown(outline)}), and a mask is needed. Add polygons or a "
                "run-length mask, or remove it.",
                "no mask",
            )
        # Some tools write one polygon without the outer list.
        return polygons(outline if isinstance(outline[0], list) else [outline], where, self.checks.dropped)


def _box(value: Any, where: str) -> Box:
    """(x0, y0, x1, y1) of COCO's bbox."""
    box = numbers(value, "bbox", where)
    if len(box) != 4:
        raise DataError(
            f"{where}: bbox has {len(box)} numbers, expected x, y, width, height.", "bad coordinates"
        )
    x, y, width, height = box
    return x, y, x + width, y + height


def _check_kind(found: int | str, others: Iterable[int | str], what: str) -> None:
    """Refuses an id that is a text among numbers, or the reverse: 1 and "1" are two ids.

    Raises:
        DataError: with reason "mixed ids".
    """
    other = next(iter(others), found)
    if type(found) is not type(other):
        kinds = ("a number", "text") if isinstance(found, int) else ("text", "numbers")
        raise DataError(
            f"{what} {shown(found)} is {kinds[0]}, and the ids of the images, such as {shown(other)}, are {kinds[1]}. "
            "Write all alike.",
            "mixed ids",
        )
