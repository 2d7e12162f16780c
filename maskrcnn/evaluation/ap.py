"""Average precision, end to end: every figure comes out of pycocotools."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

MOST_DETECTIONS = 100  # a picture and class, as COCO counts, unless a model is made to find more
_RANGES = {"ap_small": "small", "ap_medium": "medium", "ap_large": "large"}


def coco_index(ground_truth: dict[str, Any]) -> COCO:
    """A pycocotools index of a COCO dictionary (images, categories, annotations)."""
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = ground_truth
        index.createIndex()
    return index


def match(
    ground_truth: COCO,
    results: Sequence[dict[str, Any]],
    kind: str,
    *,
    ranges: bool = True,
    most: int = MOST_DETECTIONS,
) -> COCOeval:
    """Matches detections to objects with pycocotools and accumulates precision.

    Args:
        ground_truth: an index of `coco_index`.
        results: detections in COCO's result format, with `bbox` or `segmentation`; not changed.
        kind: "bbox" or "segm".
        ranges: also by object size; a size that no object has is left out, which changes no figure.
        most: detections of a picture and class that count, best first.

    Returns:
        The `COCOeval`, evaluated and accumulated, silent.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        if results:
            found = ground_truth.loadRes([dict(result) for result in results])
        else:  # loadRes asks for at least one
            empty = {key: ground_truth.dataset[key] for key in ("images", "categories")} | {"annotations": []}
            found = coco_index(empty)
        run = COCOeval(ground_truth, found, kind)
        run.params.maxDets = [most]
        areas = [a["area"] for a in ground_truth.dataset["annotations"] if not a["iscrowd"]]
        kept = [
            (name, limits)
            for name, limits in zip(run.params.areaRngLbl, run.params.areaRng, strict=True)
            if name == "all" or (ranges and any(limits[0] <= area <= limits[1] for area in areas))
        ]
        run.params.areaRngLbl = [name for name, _ in kept]
        run.params.areaRng = [limits for _, limits in kept]
        run.evaluate()
        run.accumulate()
    return run


def average_precision(run: COCOeval, category: int | None = None) -> dict[str, float]:
    """AP, AP50, AP75 and AP by size of an accumulated `COCOeval`.

    Args:
        run: from `match`.
        category: index of one category; None: the mean over those that occur.

    Returns:
        Keys ap, ap50, ap75, ap_small, ap_medium, ap_large; NaN where pycocotools says -1 (no such object).
    """
    precision = run.eval["precision"]  # (IoU, recall, category, area range, most detections)
    if category is not None:
        precision = precision[:, :, category : category + 1]
    names = run.params.areaRngLbl

    def mean(threshold=slice(None), area="all"):
        if area not in names:
            return math.nan
        values = precision[threshold, :, :, names.index(area), -1]
        values = values[values > -1]
        return float(values.mean()) if values.size else math.nan

    at = {
        name: int(np.argmin(np.abs(run.params.iouThrs - iou)))
        for name, iou in (("ap50", 0.5), ("ap75", 0.75))
    }
    measures = {"ap": mean()} | {name: mean(index) for name, index in at.items()}
    return measures | {name: mean(area=area) for name, area in _RANGES.items()}


def agnostic(ground_truth: dict[str, Any]) -> dict[str, Any]:
    """The same COCO dictionary with one category, id 1, for everything."""
    annotations = [annotation | {"category_id": 1} for annotation in ground_truth["annotations"]]
    return ground_truth | {"categories": [{"id": 1, "name": "object"}], "annotations": annotations}
