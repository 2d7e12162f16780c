"""Average precision, end to end: pycocotools' figures, to the last digit, in a fraction of its time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.cocoeval import Params

from maskrcnn.evaluation.end_to_end.coco_matching import mates, overlaps
from maskrcnn.evaluation.end_to_end.coco_tables import CocoTable, detections_table, objects_table

MOST_DETECTIONS = 100  # a picture and class, as COCO counts, unless a model is made to find more
IOU_THRESHOLDS = Params("bbox").iouThrs
RECALL_POINTS = Params("bbox").recThrs
_SIZES = dict(zip(Params("bbox").areaRngLbl, Params("bbox").areaRng, strict=True))
_RANGES = {"ap_small": "small", "ap_medium": "medium", "ap_large": "large"}


@dataclass(frozen=True)
class Matched:
    """Detections matched to objects.

    Attributes:
        objects, found: tables of G objects and D detections, the worst ones left out.
        mate: (T, D) int32, the object that a detection finds at each IoU threshold, whatever its size, or -1.
        ignored: (T, D) bool, detections that found a crowd: neither right nor wrong.
        precision: (T, 101, C, sizes) float64 at the recalls of RECALL_POINTS; -1 for a class without such objects.
        sizes: "all" first, then those that an object has.
    """

    objects: CocoTable
    found: CocoTable
    mate: np.ndarray
    ignored: np.ndarray
    precision: np.ndarray
    sizes: tuple[str, ...]


def match(
    ground_truth: dict[str, Any],
    results: Sequence[dict[str, Any]],
    kind: str,
    *,
    ranges: bool = True,
    most: int = MOST_DETECTIONS,
) -> Matched:
    """Matches detections to objects, and what precision they reach, as pycocotools does.

    Args:
        ground_truth: a COCO dictionary (images, categories, annotations).
        results: detections in COCO's result format, with `bbox` or `segmentation`.
        kind: "bbox" or "segm".
        ranges: also by object size; a size that no object has is left out, which changes no figure.
        most: detections of a picture and class that count, best first.

    Returns:
        The `Matched`.

    Raises:
        ValueError: a detection of a picture or category that the ground truth does not have.
    """
    objects = objects_table(ground_truth, kind)
    found = detections_table(ground_truth, results, kind, most)
    classes = len(ground_truth["categories"])
    pairs = overlaps(found, objects, len(ground_truth["images"]), IOU_THRESHOLDS.min())
    areas = objects.area[~objects.crowd]
    sizes = [
        name
        for name, (low, high) in _SIZES.items()
        if name == "all" or (ranges and ((low <= areas) & (areas <= high)).any())
    ]
    precision = np.full((len(IOU_THRESHOLDS), len(RECALL_POINTS), classes, len(sizes)), -1.0)
    kept = []
    for number, name in enumerate(sizes):
        low, high = _SIZES[name]
        other = objects.crowd | (objects.area < low) | (objects.area > high)
        mate = mates(pairs, other, objects.crowd, len(found), IOU_THRESHOLDS)
        away = (found.area < low) | (found.area > high)
        ignored = np.where(mate < 0, away, other[mate] if len(other) else False)
        kept.append((mate, ignored))
        for category in range(classes):
            of, wanted = _rows(found, category), int(np.count_nonzero(~other[_rows(objects, category)]))
            curve = precision_curve(found.score[of], mate[:, of] >= 0, ignored[:, of], wanted)
            if curve is not None:
                precision[:, :, category, number] = curve
    return Matched(objects, found, *kept[0], precision, tuple(sizes))


def precision_curve(scores: np.ndarray, right: np.ndarray, ignored: np.ndarray, objects: int) -> np.ndarray | None:
    """Precision at the recalls of RECALL_POINTS, never rising, as pycocotools accumulates it.

    Args:
        scores: (D,) of a class's detections; of equal ones the first counts first.
        right: (T, D) bool, whether each finds an object.
        ignored: (T, D) bool, those that do not count.
        objects: how many there are to find.

    Returns:
        (T, 101) float64, 0 where the recall is not reached; None without objects.
    """
    if not objects:
        return None
    order = np.argsort(-scores, kind="stable")
    right, counted = right[:, order], ~ignored[:, order]
    true, false = (np.cumsum(of & counted, axis=1).astype(np.float64) for of in (right, ~right))
    recall, precision = true / objects, true / (false + true + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    curve = np.zeros((len(right), len(RECALL_POINTS)))
    for row, recalls, values in zip(curve, recall, precision, strict=True):
        at = np.searchsorted(recalls, RECALL_POINTS)
        reached = np.count_nonzero(at < len(values))
        row[:reached] = values[at[:reached]]
    return curve


def average_precision(matched: Matched, category: int | None = None) -> dict[str, float]:
    """AP, AP50, AP75 and AP by size.

    Args:
        matched: from `match`.
        category: index of one category; None: the mean over those that occur.

    Returns:
        Keys ap, ap50, ap75, ap_small, ap_medium, ap_large; NaN where pycocotools says -1 (no such object).
    """
    precision = matched.precision
    if category is not None:
        precision = precision[:, :, category : category + 1]

    def mean(threshold=slice(None), size="all"):
        if size not in matched.sizes:
            return math.nan
        values = precision[threshold, :, :, matched.sizes.index(size)]
        values = values[values > -1]
        return float(values.mean()) if values.size else math.nan

    measures = {"ap": mean(), "ap50": mean(threshold_at(0.5)), "ap75": mean(threshold_at(0.75))}
    return measures | {name: mean(size=size) for name, size in _RANGES.items()}


def threshold_at(iou: float) -> int:
    """The position of an IoU among IOU_THRESHOLDS."""
    return int(np.argmin(np.abs(IOU_THRESHOLDS - iou)))


def agnostic(ground_truth: dict[str, Any]) -> dict[str, Any]:
    """The same COCO dictionary with one category, id 1, for everything."""
    annotations = [annotation | {"category_id": 1} for annotation in ground_truth["annotations"]]
    return ground_truth | {"categories": [{"id": 1, "name": "object"}], "annotations": annotations}


def _rows(table: CocoTable, category: int) -> slice:
    return slice(*np.searchsorted(table.category, [category, category + 1]).tolist())
