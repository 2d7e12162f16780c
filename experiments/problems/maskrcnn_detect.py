"""Find objects in pictures and draw them: taskprune detect results/balloon/runs/dense-.../model.keras photos/ more.jpg

Writes the pictures with boxes, masks, labels and scores into a folder, and detections.json (COCO's result
format, with names instead of ids).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro
from PIL import Image

from experiments.errors import UserError
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Fraction, Settings

if TYPE_CHECKING:
    import maskrcnn

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class Detect(Settings):
    """What to find, where."""

    model: tyro.conf.Positional[str]
    """a saved model, such as results/balloon/dense.keras."""
    pictures: tyro.conf.Positional[tuple[str, ...]]
    """picture files, or folders of them."""
    output: str = "detections"
    """folder to write into."""
    score_threshold: Fraction = 0.5
    """only detections above it."""
    max_detections: Count | None = None
    """of a picture; the model's own limit if not given."""
    photo: bool = True
    """draw into the picture; false: on plain grey, for pictures that may not be passed on."""


def picture_files(places: Sequence[str]) -> list[Path]:
    """The picture files that are named, and those in the folders that are named.

    Raises:
        UserError: nothing is named, a place does not exist, or a folder holds no picture.
    """
    if not places:
        raise UserError("no picture is named: give picture files, or folders of them, after the model")
    files = []
    for place in map(Path, places):
        if place.is_dir():
            inside = sorted(path for path in place.iterdir() if path.suffix.lower() in ENDINGS)
            if not inside:
                raise UserError(f"{place} holds no picture (endings {', '.join(ENDINGS)})")
            files += inside
        elif place.exists():
            files.append(place)
        else:
            raise UserError(f"{place}: no such picture or folder")
    return files


def read_picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB.

    Raises:
        UserError: it cannot be read as a picture.
    """
    try:
        with Image.open(path) as opened:
            return np.array(opened.convert("RGB"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a picture: {error}") from None


def records(path: Path, found: maskrcnn.Detections, class_names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Detections in COCO's result format, with names instead of ids."""
    from pycocotools import mask as rle

    for i in range(len(found.labels)):
        x0, y0, x1, y1 = (float(value) for value in found.boxes[i])
        coded = rle.encode(np.asfortranarray(found.masks[i].astype(np.uint8)))
        yield {
            "file_name": str(path),
            "category": class_names[int(found.labels[i]) - 1],
            "score": float(found.scores[i]),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "segmentation": {"size": [int(n) for n in coded["size"]], "counts": coded["counts"].decode()},
        }


def free_name(folder: Path, path: Path, taken: set[Path]) -> Path:
    """A file in `folder` named after a picture, another one if two pictures have the same name."""
    target, number = folder / f"{path.stem}.png", 1
    while target in taken:
        number += 1
        target = folder / f"{path.stem}-{number}.png"
    taken.add(target)
    return target


def detect(settings: Detect) -> tuple[int, int]:
    """Find objects in pictures, and write them.

    Returns:
        numbers of objects and of pictures.

    Raises:
        UserError: the model or a picture cannot be read, or the folder cannot be written.
    """
    files, folder = picture_files(settings.pictures), Path(settings.output)
    from experiments.runs import tensorflow_setup  # noqa: F401  # isort: skip  # before what imports TensorFlow
    from rich.progress import track

    from experiments.problems.maskrcnn import load
    from experiments.runs.run_folder import write_text
    from maskrcnn.drawing import draw_detections

    model = load(settings.model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); choose another --output") from None
    names = model.config.class_names
    everything: list[dict] = []
    taken: set[Path] = set()
    for path in track(files, "detecting", disable=len(files) == 1):
        image = read_picture(path)
        found = model.detect(image, settings.score_threshold, settings.max_detections)
        everything += records(path, found, names)
        canvas = image if settings.photo else np.full_like(image, 225)
        draw_detections(canvas, found, names).save(free_name(folder, path, taken))
    write_text(folder / "detections.json", json.dumps(everything, indent=1) + "\n")
    return len(everything), len(files)


def main(arguments: Sequence[str]) -> int:
    settings = read_flags(Detect, "taskprune detect", __doc__, arguments)
    objects, pictures = detect(settings)
    print(f"{objects} objects in {pictures} pictures: {settings.output}/*.png, {settings.output}/detections.json")
    return 0
