"""Where the pictures lie that a file of annotations names: beside it, or where exporters put them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..dataset import DataError
from .image_file import locate

_LOOKED_AT = 20  # names of pictures; some of them may be missing


def picture_folder(annotations: Path, names: Sequence[str]) -> Path:
    """The folder that the pictures' names are relative to.

    Tried are the file's own folder, `images`, and folders of the file's subset (`instances_train2017.json`:
    `train2017`, `images/train2017`); the same beside a folder `annotations` that the file lies in.

    Args:
        annotations: the file that names the pictures.
        names: of the pictures, as the file has them.

    Raises:
        DataError: none of the first pictures is in any of these folders.
    """
    tried = _places(annotations)
    some = names[:_LOOKED_AT]
    for folder in tried:
        if any(os.path.isfile(locate(folder, name)) for name in some):
            return folder
    if not some:
        return tried[0]
    shown = ", ".join(str(folder) for folder in tried if folder.is_dir())
    raise DataError(
        f"{annotations}: its pictures, such as {some[0]!r}, are not in {shown}. Put them beside it, or say which "
        "folder their names are relative to (images=; in a recipe data.train_images, data.test_images).",
        "missing image",
    )


def _places(annotations: Path) -> list[Path]:
    subset = re.sub(r"^(instances|person_keypoints|annotations?)_", "", annotations.stem)
    own = annotations.parent
    bases = [own, own.parent] if own.name.lower() in ("annotations", "labels") else [own]
    inner = ("", "images", f"images/{subset}", subset, "pictures", "data")
    return [base / name for base in bases for name in inner]
