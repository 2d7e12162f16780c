"""The sidecar of an exported file: what a program has to know to run it, as JSON."""

from __future__ import annotations

import dataclasses
import json
from importlib import metadata
from pathlib import Path
from typing import Any

from maskrcnn.export.export_choices import ExportChoices

_ENDING = ".export.json"


def sidecar_path(path: Path) -> Path:
    """The sidecar of an exported file: beside it, and in the folder of a SavedModel."""
    return path / _ENDING.lstrip(".") if path.is_dir() else path.with_name(path.name + _ENDING)


def write_sidecar(path: Path, config, choices: ExportChoices) -> None:
    """Writes what a program needs to know to run the file, and where it came from, as JSON."""
    size = choices.image_size
    content = {
        "written_by": "taskprune " + _version(),
        **dataclasses.asdict(choices),
        "class_names": config.class_names,
        "labels": "from 1: label i is class_names[i - 1]",
        "input": {
            "name": "image", "dtype": "uint8", "channels": "RGB",
            "shape": [*(size or ("height", "width")), 3],
        },
        "outputs": {
            "boxes": "(N, 4) float32, x0, y0, x1, y1 in px of the input, best first",
            "scores": "(N,) float32 in [0, 1]", "labels": "(N,) int32",
            "masks": "(N, height, width) bool" if choices.masks == "picture" else
                     "(N, s, s) float32, the object's probability in its box",
            "count": "() int32; " + ("rows after the first `count` are empty" if choices.padded else "N"),
        },
        "preprocessing": "inside the file: resized (bilinear), padded, normalised with the mean and deviation below",
        "padding": [0.0] * 3 if config.black_padding else config.pixel_mean,
        **{name: getattr(config, name) for name in (
            "min_size", "max_size", "size_divisor", "square_fit", "black_padding", "pixel_mean", "pixel_std",
            "mask_to_box",
        )},
    }  # fmt: skip
    sidecar_path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_sidecar(path: Path) -> dict[str, Any]:
    """What `write_sidecar` wrote.

    Raises:
        ValueError: there is none, or it is no JSON of this kind.
    """
    beside = sidecar_path(path)
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
        for name in ("format", "class_names", "masks", "padding", "mask_to_box"):
            found[name]
    except FileNotFoundError:
        raise ValueError(
            f"{beside} is missing: an exported file is read with the sidecar that was written beside it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{beside} is not the sidecar of an exported file ({error})") from None
    return found


def _version() -> str:
    try:
        return metadata.version("taskprune")
    except metadata.PackageNotFoundError:
        return "(from a checkout)"
