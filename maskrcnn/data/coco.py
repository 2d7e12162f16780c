"""COCO instance annotations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from .dataset import DataError, Dataset
from .files import read_json
from .pictures import Checks, Picture, picture_dataset, positions
from .regions import Region, extent, inside, numbers, polygons, run_length


def load_coco(
    annotations: str | Path, images: str | Path, strict: bool = True, class_names: Sequence[str] | None = None
) -> Dataset:
    """Pictures with COCO instance annotations: polygons, run-length masks (both kinds), crowds.

    Pictures without objects are kept. Boxes are the annotations' `bbox`; where one is absent, the outline's
    extent.

    Args:
        annotations: the instances JSON file.
        images: the folder that `file_name` is relative to.
        strict: raise on the first fault; else leave the faulty thing out and count it in `.dropped` (every
            picture is then decoded once, to find truncated ones).
        class_names: the classes to use, in the order of their labels; objects of others are not read. All
            categories by id if None. Names that begin with "N/A" need not be in the file: gaps between labels, as in
            `maskrcnn.weights.COCO_CLASS_NAMES`, with which labels are COCO's own category ids.

    Returns:
        A `Dataset`.

    Raises:
        DataError: for any fault; the message names file and annotation and says what to do.
    """
    path, folder = Path(annotations), Path(images)
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in _LISTS):
        raise DataError(
            f"{path}: not a COCO instances file; expected an object with the lists {', '.join(_LISTS)}."
        )
    checks = Checks(strict)
    labels, names = _labels(content["categories"], class_names, path)

    pictures: dict[Any, Picture] = {}
    left_out = set()
    seen: set[Any] = set()
    for entry in content["images"]:
        picture = checks.attempt(_picture, entry, seen, path, folder, checks)
        if picture is not None:
            pictures[entry["id"]] = picture
        elif isinstance(entry, dict) and entry.get("id") not in pictures:
            left_out.add(entry.get("id"))

    taken: set[Any] = set()
    for number, entry in enumerate(content["annotations"]):
        if isinstance(entry, dict) and entry.get("image_id") in left_out:
            checks.dropped["picture left out"] += 1
            continue
        region = checks.attempt(_region, entry, number, pictures, labels, taken, path)
        if region is not None and region.label:
            pictures[entry["image_id"]].regions.append(region)
    return picture_dataset(str(path), names, list(pictures.values()), checks)


_LISTS = ("images", "annotations", "categories")


def _labels(
    categories: list[Any], class_names: Sequence[str] | None, path: Path
) -> tuple[dict[Any, int], list[str]]:
    """Category id -> label (0: not wanted), and the class names in the order of labels."""
    by_id: dict[Any, str] = {}
    for category in categories:
        if not isinstance(category, dict) or "id" not in category or "name" not in category:
            raise DataError(f"{path}: category {category!r} needs id and name.")
        if category["id"] in by_id:
            raise DataError(
                f"{path}: category id {category['id']} occurs twice; give each its own.", "duplicate id"
            )
        by_id[category["id"]] = str(category["name"])
    all_names = positions([by_id[i] for i in sorted(by_id)], path)
    if class_names is None:
        return {i: all_names[name] for i, name in by_id.items()}, list(all_names)
    wanted = positions(class_names, path)
    unknown = [name for name in wanted if name not in all_names and not name.startswith("N/A")]
    if unknown:
        raise DataError(
            f"{path}: class_names asks for {unknown}, which are not among its categories "
            f"{list(all_names)}. Correct class_names.",
            "unknown category",
        )
    return {i: wanted.get(name, 0) for i, name in by_id.items()}, list(wanted)


def _picture(entry: Any, seen: set[Any], path: Path, folder: Path, checks: Checks) -> Picture | None:
    if not isinstance(entry, dict) or "id" not in entry or "file_name" not in entry:
        raise DataError(f"{path}: image {str(entry)[:80]} needs id and file_name.")
    if entry["id"] in seen:
        raise DataError(
            f"{path}: image id {entry['id']} ({entry['file_name']}) occurs twice; give each picture its own.",
            "duplicate id",
        )
    seen.add(entry["id"])
    stated = None
    if entry.get("height") is not None and entry.get("width") is not None:
        height, width = numbers(
            [entry["height"], entry["width"]], f"{path}, image {entry['id']} (height, width)"
        )
        stated = int(height), int(width)
    size = checks.size(folder / entry["file_name"], path, stated)
    if size is None:
        return None
    return Picture(folder / entry["file_name"], entry["file_name"], entry["id"], *size)


def _region(
    entry: Any, number: int, pictures: dict[Any, Picture], labels: dict[Any, int], taken: set[Any], path: Path
) -> Region:
    """One annotation, checked; label 0 if its class is not wanted."""
    if not isinstance(entry, dict) or "image_id" not in entry or "category_id" not in entry:
        raise DataError(f"{path}: annotation {str(entry)[:80]} needs image_id and category_id.")
    where = f"{path}, annotation {entry.get('id', f'number {number}')}"
    if "id" in entry:
        if entry["id"] in taken:
            raise DataError(
                f"{where}: this annotation id occurs twice; give each annotation its own.", "duplicate id"
            )
        taken.add(entry["id"])
    if entry["image_id"] not in pictures:
        raise DataError(
            f"{where}: image_id {entry['image_id']} is not among the images. Add the image or remove the "
            "annotation.",
            "unknown image",
        )
    picture = pictures[entry["image_id"]]
    where += f" ({picture.name})"
    if entry["category_id"] not in labels:
        raise DataError(
            f"{where}: unknown category id {entry['category_id']}; the file has {sorted(labels)}. Correct "
            "it, or add the category.",
            "unknown category",
        )
    label = labels[entry["category_id"]]
    if not label:
        return Region(where, 0, [], (0.0, 0.0, 0.0, 0.0))

    outline = entry.get("segmentation")
    if isinstance(outline, dict):
        outline = run_length(outline, picture.height, picture.width, where)
    elif isinstance(outline, list):
        # Some tools write one polygon without the outer list.
        outline = polygons([outline] if outline and not isinstance(outline[0], list) else outline, where)
    else:
        raise DataError(
            f"{where}: has no segmentation, and a mask is needed. Add polygons or a run-length mask, or "
            "remove it.",
            "no mask",
        )
    box = entry.get("bbox")
    if box is not None:
        box = numbers(box, where)
        if len(box) != 4:
            raise DataError(
                f"{where}: bbox has {len(box)} numbers, expected x, y, width, height.", "bad coordinates"
            )
        box = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
    elif isinstance(outline, list):
        box = extent(outline)
    else:
        x, y, wide, high = (float(v) for v in coco_mask.toBbox(outline))
        box = [x, y, x + wide, y + high]
    area = entry.get("area")
    return Region(
        where,
        label,
        outline,
        inside(box, picture.height, picture.width, where),
        bool(entry.get("iscrowd", 0)),
        None if area is None else numbers([area], where)[0],
    )
