"""From a picture's bytes to the bytes of the answer: the work of the worker thread."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from maskrcnn.data import PictureBytes, read_picture
from maskrcnn.detection.detections import Detections
from maskrcnn.detection.drawing import draw_detections
from maskrcnn.serving.served_model import ServedModel

MaskFormat = Literal["rle", "polygons", "none"]


@dataclass(frozen=True)
class Question:
    """What is asked of a picture.

    Attributes:
        picture: its bytes.
        score_threshold: only scores above it; the model's own if None.
        max_detections: the best; the model's own limit if None.
        masks: how they are written.
        drawn: answer with a PNG of the picture, detections drawn into it, instead of JSON.
    """

    picture: PictureBytes
    score_threshold: float | None = None
    max_detections: int | None = None
    masks: MaskFormat = "rle"
    drawn: bool = False


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        body: the JSON's or the PNG's bytes.
        milliseconds: "wait", "decode", "detect", "write" and "total".
    """

    body: bytes
    milliseconds: dict[str, float]


def answered(served: ServedModel, question: Question, waited: float = 0.0) -> Answer:
    """What one model finds in a picture.

    Args:
        served: the model.
        question: what is asked.
        waited: seconds in the queue.

    Raises:
        DataError: the picture cannot be read, or is too large.
        ValueError: the model answered with what is no number, which JSON does not know.
    """
    times = [time.perf_counter()]
    image = read_picture(question.picture)
    times.append(time.perf_counter())
    found = served.model.detect(image, question.score_threshold)
    times.append(time.perf_counter())
    # Cut here and not in `detect`, which compiles a graph for each limit and would keep all of them.
    best = slice(question.max_detections)
    found = Detections(
        found.boxes[best], found.labels[best], found.scores[best], found.masks[best], served.model.config.class_names
    )
    content = drawn(image, found) if question.drawn else written(served, image, found, question.masks)
    times.append(time.perf_counter())
    spent = [waited, *np.diff(times).tolist()]
    names = ("wait", "decode", "detect", "write", "total")
    milliseconds = {name: round(1000 * s, 1) for name, s in zip(names, [*spent, sum(spent)], strict=True)}
    if isinstance(content, dict):
        content = json.dumps({**content, "timing_ms": milliseconds}, allow_nan=False).encode()
    return Answer(content, milliseconds)


def written(served: ServedModel, image: np.ndarray, found: Detections, masks: MaskFormat) -> dict[str, Any]:
    """Detections as JSON's types; the fields are those of `answer_schema.Found`, but for the time."""
    rows: dict[str, Any] = {
        "model": served.name,
        "width": image.shape[1],
        "height": image.shape[0],
        "boxes": [[round(value, 2) for value in box] for box in found.boxes.astype(float).tolist()],
        "labels": found.labels.tolist(),
        "names": found.names,
        "scores": [round(score, 4) for score in found.scores.astype(float).tolist()],
        "shares": shares(found),
    }
    if masks == "rle":
        rows["masks"] = [row["segmentation"] for row in found.to_coco()]
    elif masks == "polygons":
        rows["masks"] = [[outline.astype(int).tolist() for outline in outlines] for outlines in found.to_polygons()]
    return rows


def shares(found: Detections) -> dict[str, float]:
    """The share of the picture that each class covers, in [0, 1]; pixels under two objects of a class count once."""
    return {
        name: round(float(found.masks[found.labels == label].any(axis=0).mean()), 6)
        for label, name in enumerate(found.class_names, 1)
        if (found.labels == label).any()
    }


def drawn(image: np.ndarray, found: Detections) -> bytes:
    """The picture with its detections, as a PNG's bytes."""
    stream = io.BytesIO()
    draw_detections(image, found, found.class_names).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
