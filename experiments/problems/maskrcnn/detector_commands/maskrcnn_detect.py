"""Find objects in pictures and draw them: taskprune detect results/balloon photos/ more.jpg

Writes the pictures with boxes, masks, labels and scores into a folder, and detections.json (COCO's result
format, with names instead of ids, in pixels of the picture as viewers turn it).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

from experiments.errors import UserError
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Fraction, Settings

if TYPE_CHECKING:
    import maskrcnn


class Detect(Settings):
    """What to find, where."""

    model: tyro.conf.Positional[str]
    """a saved model, or the folder that `taskprune train` or `sweep` wrote, whose dense model is taken; or a file that
    `taskprune export` wrote."""
    pictures: tyro.conf.Positional[tuple[str, ...]]
    """picture files, or folders of them, also in folders in these; one that cannot be read is left out, and said."""
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
            from experiments.runs import tensorflow_setup  # noqa: F401  # isort: skip  # before what imports TensorFlow
            from maskrcnn.data import PICTURE_ENDINGS

            inside = _pictures_in(place)
            if not inside:
                raise UserError(f"{place} holds no picture (endings {', '.join(PICTURE_ENDINGS)})")
            files += inside
        elif place.exists():
            files.append(place)
        else:
            raise UserError(f"{place}: no such picture or folder")
    return files


def _pictures_in(folder: Path) -> list[Path]:
    """Those of a folder itself; where it has none, those of the folders in it, but for masks of objects."""
    from maskrcnn.data import picture_paths

    found = picture_paths(folder)
    if not found:
        inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        found = [file for path in inner if path.name.lower() != "masks" for file in _pictures_in(path)]
    return found


def records(path: Path, found: maskrcnn.Detections, class_names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Detections in COCO's result format, with names instead of ids."""
    from maskrcnn.data import coco_results

    for row in coco_results(str(path), found, class_names):
        yield {"file_name": row.pop("image_id"), "category": row.pop("category_id")} | row


def free_name(folder: Path, path: Path, taken: set[Path]) -> Path:
    """A file in `folder` named after a picture, another one if two pictures have the same name."""
    target, number = folder / f"{path.stem}.png", 1
    while target in taken:
        number += 1
        target = folder / f"{path.stem}-{number}.png"
    taken.add(target)
    return target


def detect(settings: Detect, say: Callable[[str], None] = print) -> tuple[int, int]:
    """Find objects in pictures, and write them. A picture that cannot be read is left out, and counted.

    Args:
        settings: what to find, where.
        say: takes a line on each picture left out, and on how many they are.

    Returns:
        numbers of objects and of pictures read.

    Raises:
        UserError: the model or every picture cannot be read, or the folder cannot be written.
    """
    files, folder = picture_files(settings.pictures), Path(settings.output)
    from experiments.runs import tensorflow_setup  # noqa: F401  # isort: skip  # before what imports TensorFlow
    from rich.progress import track

    from experiments.problems.maskrcnn.maskrcnn_start import load_any
    from experiments.runs.run_folder import write_text
    from maskrcnn.data import DataError, read_picture
    from maskrcnn.detection.drawing import draw_detections

    model = load_any(settings.model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); choose another --output") from None
    names = model.config.class_names
    everything: list[dict] = []
    faults: list[str] = []
    taken: set[Path] = set()
    for path in track(files, "detecting", disable=len(files) == 1):
        try:
            image = read_picture(path)
        except DataError as error:
            faults.append(str(error))
            continue
        found = model.detect(image, settings.score_threshold, settings.max_detections)
        everything += records(path, found, names)
        canvas = image if settings.photo else np.full_like(image, 225)
        draw_detections(canvas, found, names).save(free_name(folder, path, taken))
    if len(faults) == len(files):
        more = f" (and {len(faults) - 1} more that cannot be read)" if len(faults) > 1 else ""
        raise UserError(faults[0] + more)
    write_text(folder / "detections.json", json.dumps(everything, indent=1) + "\n")
    for fault in faults:
        say(f"left out: {fault}")
    if faults:
        say(f"{len(faults)} of {len(files)} pictures cannot be read and were left out")
    return len(everything), len(files) - len(faults)


def main(arguments: Sequence[str]) -> int:
    settings = read_flags(Detect, "taskprune detect", __doc__, arguments)
    objects, pictures = detect(settings)
    print(f"{objects} objects in {pictures} pictures: {settings.output}/*.png, {settings.output}/detections.json")
    if not objects and settings.score_threshold:
        print(f"nothing scores above {settings.score_threshold:g}; a lower --score-threshold shows less certain ones")
    return 0
