"""What can be chosen of an exported file, and the text beside it that says what was."""

from __future__ import annotations

import dataclasses
import json
from importlib import metadata
from pathlib import Path
from typing import Any

FORMATS = {"tf_saved_model": "", "litert": ".tflite", "onnx": ".onnx", "openvino": ".xml"}
PRECISIONS = ("float32", "float16", "int8")
MASKS = ("picture", "box")
FIXED = ("litert", "openvino")  # formats that know the picture's size beforehand
BESIDE = ".export.json"  # ending of the text beside a file; of a SavedModel's folder, its name in it


@dataclasses.dataclass(frozen=True)
class ExportChoices:
    """How a detector is exported.

    Attributes:
        format: a key of FORMATS.
        image_size: (height, width) px of the pictures that the file takes; None: of any size.
        max_detections: kept of a picture.
        score_threshold: scores of detections are above it.
        masks: "picture": (N, H, W) bool of the whole picture; "box": (N, 28, 28) float32 probabilities in each box.
        precision: of the weights in the file, and of what is computed with them; a key of PRECISIONS.
    """

    format: str
    image_size: tuple[int, int] | None
    max_detections: int
    score_threshold: float
    masks: str = "picture"
    precision: str = "float32"

    @property
    def padded(self) -> bool:
        """Whether there are always `max_detections` slots, of which the first `count` are filled."""
        return self.format == "litert"

    @property
    def builtin(self) -> bool:
        """Whether operations are limited to those that runtimes other than TensorFlow have."""
        return self.format != "tf_saved_model"


def choose(config, format, image_size, max_detections, score_threshold, masks, precision) -> ExportChoices:
    """The choices with the config's values where there are none.

    Args:
        config: a MaskRCNNConfig.
        format: a key of FORMATS.
        image_size: (height, width) px of the pictures that the file takes. None: of any size; with the formats FIXED,
            which need one, `min_size` and `max_size` of the config, or a square of the latter with `square_fit`.
        max_detections, score_threshold: of a picture; the config's if None.
        masks: "picture": of the whole picture, as `detect`; "box": (28, 28) probabilities in each box, which take
            little memory and are left to whoever runs the file to paste.
        precision: of "litert": "float32"; "float16", weights of half the size; "int8", whole numbers for what the
            network's layers are quantised in, and float32 for the rest.

    Raises:
        ValueError: a choice that cannot be, or two that do not go together.
    """
    for name, value, known in (
        ("format", format, tuple(FORMATS)), ("masks", masks, MASKS), ("precision", precision, PRECISIONS)
    ):  # fmt: skip
        if value not in known:
            raise ValueError(f"{name}={value!r}: expected one of {', '.join(map(repr, known))}")
    if precision != "float32" and format != "litert":
        raise ValueError(f"precision={precision!r} is for format='litert'; {format!r} is written in float32")
    if image_size is None and format in FIXED:
        image_size = (config.max_size if config.square_fit else config.min_size, config.max_size)
    if image_size is not None:
        image_size = tuple(int(side) for side in image_size)
        if len(image_size) != 2 or min(image_size) < 1:
            raise ValueError(f"image_size={image_size}: expected (height, width) px, each at least 1")
    most = config.detections_per_image if max_detections is None else int(max_detections)
    if most < 1:
        raise ValueError(f"max_detections={max_detections}: at least 1 is needed")
    least = config.detection_min_score if score_threshold is None else float(score_threshold)
    if not 0 <= least < 1:
        raise ValueError(f"score_threshold={score_threshold}: expected at least 0 and below 1")
    return ExportChoices(format, image_size, most, least, masks, precision)


def checked_path(filepath: str | Path, format: str) -> Path:
    """The path, whose ending has to be the format's.

    Raises:
        ValueError: it has another one.
    """
    path, ending = Path(filepath), FORMATS[format]
    if path.suffix in (".tflite", ".onnx", ".xml", ".keras") and path.suffix != ending:
        raise ValueError(f"{path}: format={format!r} is written to {f'*{ending}' if ending else 'a folder'}")
    return path if path.suffix == ending or not ending else path.with_name(path.name + ending)


def text_path(path: Path) -> Path:
    """Where the text beside an exported file is."""
    return path / BESIDE.lstrip(".") if path.is_dir() else path.with_name(path.name + BESIDE)


def write_text_beside(path: Path, config, choices: ExportChoices) -> None:
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
    text_path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_text_beside(path: Path) -> dict[str, Any]:
    """What `write_text_beside` wrote.

    Raises:
        ValueError: there is no such text, or it is no JSON of this kind.
    """
    beside = text_path(path)
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
        for name in ("format", "class_names", "masks", "padding", "mask_to_box"):
            found[name]
    except FileNotFoundError:
        raise ValueError(f"{beside} is missing: an exported file is read with the text that was written beside it")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{beside} is not the text that is written beside an exported file ({error})") from None
    return found


def _version() -> str:
    try:
        return metadata.version("taskprune")
    except metadata.PackageNotFoundError:
        return "(from a checkout)"
