"""Detections as a COCO results file: with the source's own ids, as the COCO server takes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..dataset import DataError, Dataset
from .run_lengths import from_bitmap


def coco_results(
    image_id: int | str | None, detections: Any, category_ids: Sequence[int | str | None]
) -> Iterator[dict[str, Any]]:
    """The rows of one picture's detections, JSON ready.

    Args:
        image_id: the source's id of the picture.
        detections: `maskrcnn.Detections`: boxes (N, 4) xyxy px, labels (N,) from 1, scores (N,), masks (N, H, W).
        category_ids: the source's id of each class, in the order of labels.

    Yields:
        {"image_id", "category_id", "bbox": [x, y, width, height] px, "score", "segmentation": {"size", "counts"}}.

    Raises:
        DataError: for a class without an id.
    """
    rows = zip(detections.boxes, detections.labels, detections.scores, detections.masks, strict=True)
    for box, label, score, mask in rows:
        category = category_ids[int(label) - 1]
        if category is None:
            raise DataError(
                f"picture {image_id}: class {int(label)} has no category id in the annotations. Give category_ids, for "
                "example those of the training data.",
                "unknown category",
            )
        x0, y0, x1, y1 = (float(value) for value in box)
        runs = from_bitmap(np.asarray(mask))
        yield {
            "image_id": image_id,
            "category_id": category,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "score": float(score),
            "segmentation": {"size": [int(n) for n in runs["size"]], "counts": runs["counts"].decode("ascii")},
        }


def write_coco_results(
    path: str | Path,
    dataset: Dataset,
    detections: Iterable[Any],
    category_ids: Sequence[int | str | None] | None = None,
) -> int:
    """Writes a COCO results file, which pycocotools' `loadRes` and the COCO server read.

    Args:
        path: the JSON file to write.
        dataset: the pictures, whose ids are written.
        detections: `maskrcnn.Detections` of each of its pictures, in order.
        category_ids: the source's id of each class; those of `dataset` if None.

    Returns:
        How many detections were written.

    Raises:
        DataError: if there are not as many detections as pictures, if two pictures have one id, or if a class has
            no id.
    """
    ids = [dataset.entry(i).image_id for i in range(len(dataset))]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise DataError(f"{dataset.name}: two pictures have the id {twice!r}; results could not be told apart.")
    found = list(detections)
    if len(found) != len(ids):
        raise DataError(f"{dataset.name}: {len(found)} detections for {len(ids)} pictures; give one for each.")
    known = dataset.category_ids if category_ids is None else category_ids
    rows = [row for image_id, one in zip(ids, found, strict=True) for row in coco_results(image_id, one, known)]
    Path(path).write_text(json.dumps(rows), encoding="utf-8")
    return len(rows)
