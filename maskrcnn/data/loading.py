"""One call for annotated pictures, whichever tool wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .dataset import DataError, Dataset
from .formats.coco import load_coco
from .formats.cvat import load_cvat
from .formats.labelme import load_labelme
from .formats.mask_folder import load_masks
from .formats.via import load_via
from .layouts import WHOLE, Annotations, Kind, annotations_in
from .picture_files.image_file import Exif


def load(
    place: str | Path,
    split: str | None = None,
    kind: Kind | None = None,
    images: str | Path | None = None,
    strict: bool = True,
    class_names: Sequence[str] | None = None,
    class_name: str | None = None,
    class_attribute: str | None = None,
    exif: Exif = "auto",
) -> Dataset:
    """Annotated pictures from an exported folder or a file, its format and its splits recognised.

    ```python
    train, test = maskrcnn.data.load("export", "train"), maskrcnn.data.load("export", "test")
    ```

    Args:
        place: a folder as a tool exports it (see `maskrcnn.data.layouts`), or a file of annotations.
        split: "train", "tune" or "test" of a folder that has splits; None: there are none.
        kind: "coco", "via", "labelme", "masks" or "cvat"; found out if None.
        images: coco, cvat: the folder of the pictures; looked for if None.
        strict, class_names, exif: of every reader: see `load_coco`.
        class_name, class_attribute: see `load_via` and `load_masks`.

    Returns:
        A `Dataset`.

    Raises:
        DataError: nothing or more than one thing is recognised, there is no such split, or the annotations are
            faulty.
    """
    found = annotations_of(place, split, kind)
    if found.kind == "coco":
        return load_coco(found.path, images, strict, class_names, exif)
    if found.kind == "cvat":
        return load_cvat(found.path, images, strict, class_names, exif)
    if found.kind == "labelme":
        return load_labelme(found.path, strict, class_names, exif)
    if found.kind == "masks":
        return load_masks(found.path, strict, class_name, class_names, exif)
    return load_via(found.path, strict, class_attribute, class_name, class_names, exif)


def annotations_of(place: str | Path, split: str | None = None, kind: Kind | None = None) -> Annotations:
    """The annotations of a split; those of a place without splits are of any.

    Raises:
        DataError: as `annotations_in`; or there is no such split, or none is asked for and there are several.
    """
    known = annotations_in(place, kind)
    if WHOLE in known:
        return known[WHOLE]
    if split in known:
        return known[split]
    if len(known) == 1 and split is None:
        return next(iter(known.values()))
    raise DataError(
        f"{place}: has the splits {', '.join(f'{name}: {one}' for name, one in known.items())}; "
        + ("say which one with split=." if split is None else f"there is none for {split!r}."),
        "missing file",
    )
