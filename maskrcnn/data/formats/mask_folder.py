"""A folder of pictures with their masks as pictures: one file an object, or one map of numbers a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..dataset import DataError, Dataset
from ..picture_files.image_file import Exif, inspect_picture, picture_paths, read_values
from .annotated import Checks, Picture, picture_dataset, positions
from .regions import Region, make_region
from .run_lengths import from_bitmap

_PICTURES = ("images", "pictures")
_LAYOUTS = (
    "expected <id>/images/<picture> and <id>/masks/*.png, or images/<picture> and masks/<picture>/*.png (one file an "
    "object), or images/<picture> and masks/<picture>.png (one number an object, 0 for the ground)"
)


def load_masks(
    folder: str | Path,
    strict: bool = True,
    class_name: str | None = None,
    class_names: Sequence[str] | None = None,
    exif: Exif = "auto",
) -> Dataset:
    """Pictures whose objects are masks in picture files, of one class or in a folder for each class.

    Three layouts are read; `pictures` may stand for `images`, and masks are found by the picture's name with or
    without its ending:

    - `<id>/images/<picture>` and `<id>/masks/*.png`, as in cell data: a file an object, not 0 where it is;
    - `images/<picture>` and `masks/<picture>/*.png`: the same;
    - `images/<picture>` and `masks/<picture>.png` or `.tif`: a map with one number or colour for each object, 0 or
      black for the ground.

    A file an object may also lie in a folder named as its class: `<id>/masks/<class>/*.png` or
    `masks/<picture>/<class>/*.png`. A picture without objects has an empty folder of masks, or a map of zeros.

    Args:
        folder: holds one of the layouts.
        strict: raise on the first fault; else leave the faulty thing out and count it in `.dropped`.
        class_name: makes all objects this one class. If None, it is that of the object's folder, else "object".
        class_names: the order of the labels, so that splits agree, or the classes of a model that the pictures are
            for; the sorted names of the folders of classes, or `class_name`, if None.
        exif: as for `load_coco`; a mask's size is the stated size.

    Returns:
        A `Dataset`, in the order of names. Boxes are the masks'.

    Raises:
        DataError: for any fault; the message names the file and says what to do.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {_LAYOUTS}.", "missing file")
    pairs = _pairs(folder)
    found = sorted({name for _, masks in pairs if masks is not None for name, _ in _mask_paths(masks) if name})
    by_folder = bool(found) and class_name is None
    if class_names is not None and class_name is None and len(class_names) == 1:
        class_name = list(class_names)[0]
    class_name = class_name or "object"
    known = positions(class_names or (found if by_folder else [class_name]), folder)
    if not by_folder and class_name not in known:
        raise DataError(
            f"{folder}: class_name {class_name!r} is not among class_names {list(known)}. Give one of them.",
            "unknown category",
        )
    checks = Checks(strict)
    pictures: list[Picture] = []
    for path, masks in pairs:
        name = path.relative_to(folder).as_posix()
        picture = checks.attempt(_picture, path, masks, name, len(pictures) + 1, checks, exif)
        if picture is None:
            continue
        for place, own_class, bitmap in _bitmaps(masks, checks):
            label = own_class if by_folder else class_name
            region = checks.attempt(_region, place, bitmap, label, known, picture, checks)
            if region is not None:
                picture.regions.append(region)
        pictures.append(picture)
    return picture_dataset(str(folder), list(known), pictures, checks)


def _pairs(folder: Path) -> list[tuple[Path, Path | None]]:
    """Each picture with its folder of masks or its map; None where there is none."""
    for name in _PICTURES:
        if (folder / name).is_dir():
            paths = picture_paths(folder / name)
            pairs = [(path, _masks_of(path, folder / "masks")) for path in paths]
            break
    else:
        inner = [part / name for part in sorted(folder.iterdir()) for name in _PICTURES if (part / name).is_dir()]
        pairs = [(path, _folder_of(place.parent / "masks")) for place in inner for path in picture_paths(place)]
    if not pairs:
        raise DataError(f"{folder}: holds no pictures with masks; {_LAYOUTS}.", "empty dataset")
    return pairs


def _folder_of(path: Path) -> Path | None:
    return path if path.is_dir() else None


def _masks_of(picture: Path, masks: Path) -> Path | None:
    """The folder or map among `masks` that is named as the picture."""
    folders = [masks / picture.name, masks / picture.stem]
    maps = [masks / (stem + ending) for stem in (picture.stem, picture.name) for ending in (".png", ".tif", ".tiff")]
    return next((p for p in folders if p.is_dir()), None) or next((p for p in maps if p.is_file()), None)


def _mask_paths(masks: Path) -> list[tuple[str, Path]]:
    """Each file of masks and its class, the name of the folder that it lies in; "" where there is none."""
    if not masks.is_dir():
        return [("", masks)]
    classes = sorted(place for place in masks.iterdir() if place.is_dir() and not place.name.startswith("."))
    inner = [(place.name, path) for place in classes for path in picture_paths(place)]
    return [("", path) for path in picture_paths(masks)] + inner


def _picture(path: Path, masks: Path | None, name: str, number: int, checks: Checks, exif: Exif) -> Picture:
    if masks is None:
        raise DataError(
            f"{path}: has no masks; {_LAYOUTS}. For a picture without objects, make an empty folder.", "no mask"
        )
    stated = None
    for _, first in _mask_paths(masks)[:1]:
        header = inspect_picture(first, masks, exif="ignore")
        stated = header.height, header.width
    return Picture(inspect_picture(path, masks, stated, False, exif, not checks.strict), name, number)


def _bitmaps(masks: Path | None, checks: Checks) -> Iterator[tuple[str, str, np.ndarray]]:
    """What to call each object, the class of its folder, and its mask (H, W) bool."""
    assert masks is not None
    for own_class, path in _mask_paths(masks):
        values = checks.attempt(read_values, path)
        if values is None:
            continue
        if masks.is_dir():
            yield str(path), own_class, values > values.max() / 2  # also of 0 and 1, and of JPEG's blurred edges
        else:
            for number in np.unique(values[values != 0]).tolist():
                yield f"{path}, object {number:g}", own_class, values == number


def _region(
    where: str, bitmap: np.ndarray, name: str, known: dict[str, int], picture: Picture, checks: Checks
) -> Region:
    if name not in known:
        lies = f"is of the class {name!r}" if name else "lies in no folder of a class, as others do"
        raise DataError(
            f"{where}: {lies}; expected one of {list(known)}. Move it, add it to class_names, or give class_name= to "
            "make all objects one class.",
            "unknown category",
        )
    if bitmap.shape != picture.size:
        raise DataError(
            f"{where}: the mask is {bitmap.shape[1]}x{bitmap.shape[0]} px (width x height), its picture "
            f"{picture.size[1]}x{picture.size[0]}. Save it in the picture's size.",
            "image size",
        )
    return make_region(where, known[name], [from_bitmap(bitmap)], picture.size, checks.dropped)
