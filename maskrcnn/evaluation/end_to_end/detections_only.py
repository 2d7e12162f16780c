"""Measures of detections alone: of an exported file, or of those that a detector is sure of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np

from maskrcnn.data.class_order import check_class_order
from maskrcnn.evaluation.end_to_end.ap import MOST_DETECTIONS, agnostic, average_precision, match, threshold_at
from maskrcnn.evaluation.end_to_end.records import CocoRecords
from maskrcnn.evaluation.evaluator import Evaluation
from maskrcnn.evaluation.measures import Nested
from maskrcnn.evaluation.pass_progress import with_bar

CONFIDENT = ("ap", "ap50", "ap75")  # what `confident` gives
_NO_BOXES = {"agnostic_boxes": np.zeros((0, 4)), "agnostic_scores": np.zeros(0)}


def evaluate_detections(detector: Any, dataset: Any, progress: bool = True, limit: int | None = None) -> Nested:
    """Measures what a detector finds; those of a task on its own, which ask a network about given boxes, are left out.

    Args:
        detector: has `detect(image) -> Detections`: an ExportedDetector, or a MaskRCNN.
        dataset: a `Dataset`; crowds are ignored as COCO does.
        progress: shows a bar if the pass lasts more than a few seconds.
        limit: first so many pictures only; None: all.

    Returns:
        {"bbox": {"ap", "ap50", ...}, "class": {"matched_accuracy"}, "mask": {"ap", "ap50", ...}}, NaN where there is
        nothing to measure. `matched_accuracy` is the share of right labels among the detections that find an object at
        IoU 0.5, best first, whatever their class: it depends on the boxes, unlike the `accuracy` of `evaluate`.

    Raises:
        ValueError: the detector's classes are not the data set's, or there are no pictures.
    """
    config: Any = getattr(detector, "config", None)
    if hasattr(config, "class_names"):
        check_class_order(config.class_names, dataset)
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if count < 1:
        raise ValueError(f"There is nothing to evaluate: {len(dataset)} pictures, limit={limit}.")
    most = max(MOST_DETECTIONS, getattr(config, "detections_per_image", MOST_DETECTIONS))
    records = CocoRecords()
    for index in with_bar(range(count), count, progress):
        sample = dataset[index]
        records.add(sample, SimpleNamespace(detections=detector.detect(sample.image), **_NO_BOXES))
    truth = records.ground_truth(dataset.class_names)
    boxes, masks, _ = records.results()
    return {
        "bbox": average_precision(match(truth, boxes, "bbox", most=most)),
        "class": {"matched_accuracy": _matched_accuracy(truth, boxes, most)},
        "mask": average_precision(match(truth, masks, "segm", most=most)),
    }


def confident(evaluation: Evaluation, scores: Iterable[float], most: int = MOST_DETECTIONS) -> Nested:
    """AP of those detections of a pass alone that have at least a score.

    It is what the same model gives with that score as its `detection_min_score`: suppression takes the surest first,
    so that no surer detection depends on a less sure one.

    Args:
        evaluation: of `evaluate_in_detail`, with its detections.
        scores: in [0.05, 1); a detection that a pass counts has 0.05 or more.
        most: detections of a picture and class that count, best first.

    Returns:
        {"bbox": {"ap_at70": ..., "ap50_at70": ..., "ap75_at70": ...}, "mask": {...}} for a score of 0.7, NaN where
        there are no objects; without "mask" for a model without masks.
    """
    truth = evaluation.ground_truth
    kinds = {"bbox": ("bbox", evaluation.box_results), "mask": ("segm", evaluation.mask_results)}
    found: Nested = {}
    for task, (kind, results) in kinds.items():
        if task not in evaluation.measures:
            continue
        found[task] = {}
        for score in scores:
            sure = [result for result in results if result["score"] >= score]
            precision = average_precision(match(truth, sure, kind, ranges=False, most=most))
            found[task] |= {confident_name(name, score): precision[name] for name in CONFIDENT}
    return found


def confident_name(name: str, score: float) -> str:
    """A measure's name with the score in hundredths behind it: ap50 and 0.7 are ap50_at70."""
    return f"{name}_at{round(100 * score)}"


def _matched_accuracy(truth: dict[str, Any], boxes: list[dict[str, Any]], most: int) -> float:
    rows = [row | {"category_id": 1} for row in boxes]
    matched = match(agnostic(truth), rows, "bbox", ranges=False, most=most)
    at = threshold_at(0.5)
    mates = matched.mate[at]
    counted = np.flatnonzero((mates >= 0) & ~matched.ignored[at])
    label = np.array([row["category_id"] for row in boxes], int)[matched.found.row[counted]]
    true = np.array([row["category_id"] for row in truth["annotations"]], int)[matched.objects.row[mates[counted]]]
    return np.count_nonzero(label == true) / len(counted) if len(counted) else math.nan
