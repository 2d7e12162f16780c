"""Which class is taken for which, and how well the boxes lie."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from maskrcnn.box_overlap import covered, pairwise_iou
from maskrcnn.evaluation.evaluator import Evaluation


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Detections against objects, class by class. Index 0 is nothing: no object in rows, no detection in columns.

    Attributes:
        counts: (C + 1, C + 1) int64, [true class, found class]; row 0 are detections of nothing, column 0 objects
            that are missed.
        iou: (C + 1, C + 1) float64, the mean IoU of the boxes of each cell; NaN in row and column 0 and empty cells.
        class_names: of 1, 2, ...
        score, overlap: only detections of at least this score, and pairs of at least this IoU, count.
    """

    counts: np.ndarray
    iou: np.ndarray
    class_names: tuple[str, ...]
    score: float
    overlap: float


def confusion(evaluation: Evaluation, score: float = 0.5, overlap: float = 0.5) -> Confusion:
    """Pair detections with objects, whatever their classes, and count the pairs of classes.

    The best detection chooses first: the object that its box overlaps most and that is still free. What lies in a crowd
    and finds no object is not counted.

    Args:
        evaluation: of `evaluate_in_detail` or `survey`.
        score: least score of a detection that counts.
        overlap: least IoU of a pair.
    """
    truth = evaluation.ground_truth
    names = tuple(category["name"] for category in truth["categories"])
    objects, found = _by_picture(truth["annotations"]), _by_picture(evaluation.box_results)
    counts = np.zeros((len(names) + 1,) * 2, np.int64)
    sums = np.zeros(counts.shape)
    for picture in [image["id"] for image in truth["images"]]:
        rows = [row for row in objects[picture] if not row["iscrowd"]]
        crowds = _boxes(row for row in objects[picture] if row["iscrowd"])
        detections = sorted((row for row in found[picture] if row["score"] >= score), key=lambda row: -row["score"])
        iou = pairwise_iou(_boxes(detections), _boxes(rows))
        in_crowd = covered(_boxes(detections), crowds).max(axis=1, initial=0.0) >= overlap
        free = np.ones(len(rows), bool)
        for number, detection in enumerate(detections):
            open_to = np.where(free, iou[number], -1.0)
            best = int(open_to.argmax()) if len(rows) else -1
            if best >= 0 and open_to[best] >= overlap:
                free[best] = False
                cell = rows[best]["category_id"], detection["category_id"]
                sums[cell] += open_to[best]
            elif in_crowd[number]:
                continue
            else:
                cell = 0, detection["category_id"]
            counts[cell] += 1
        for row in np.flatnonzero(free):
            counts[rows[row]["category_id"], 0] += 1
    paired = counts.copy()
    paired[0], paired[:, 0] = 0, 0
    return Confusion(counts, np.where(paired > 0, sums / np.maximum(paired, 1), np.nan), names, score, overlap)


def _by_picture(rows: Iterable[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["image_id"]].append(row)
    return found


def _boxes(rows: Iterable[dict[str, Any]]) -> np.ndarray:
    """(N, 4) xyxy of rows whose `bbox` is (x, y, width, height)."""
    boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
