"""What can be chosen of an exported file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

FORMATS = {"tf_saved_model": "", "litert": ".tflite", "onnx": ".onnx", "openvino": ".xml"}
PRECISIONS = ("float32", "float16", "int8")
MASKS = ("picture", "box")
FIXED = ("litert", "openvino")  # formats that know the picture's size beforehand


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
