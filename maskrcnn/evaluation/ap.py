"""Average precision, end to end: every figure comes out of pycocotools, of pictures drawn again its matches."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class RankedDetections:
    """Every detection of some pictures with what it was matched with: AP of pictures drawn again, without matching.

    Detections are matched picture by picture, so that a picture drawn twice has its detections twice.

    Attributes:
        samples: N pictures.
        classes: for each class with an object: `picture` (D,) int, of its detections, best first; `right` and `wrong`
            (T, D) bool, at each IoU threshold (neither: it does not count, as on a crowd); `objects` (N,) of each
            picture.
        recalls: (R,) float64, where precision is read.
    """

    samples: int
    classes: tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], ...]
    recalls: np.ndarray

    @classmethod
    def of(cls, run: COCOeval) -> RankedDetections:
        """Those of `match`, all sizes together."""
        params, count, found = run.params, len(run.params.imgIds), []
        areas, most = len(params.areaRng), params.maxDets[-1]
        for number in range(len(params.catIds)):
            begin = (number * areas + params.areaRngLbl.index("all")) * count
            pictures = [(n, one) for n, one in enumerate(run.evalImgs[begin : begin + count]) if one is not None]
            objects = np.zeros(count)
            for n, one in pictures:
                objects[n] = np.sum(np.asarray(one["gtIgnore"]) == 0)
            if not objects.any():
                continue
            scores = np.concatenate([np.asarray(one["dtScores"][:most], float) for _, one in pictures])
            order = np.argsort(-scores, kind="mergesort")  # as pycocotools sorts
            at = np.concatenate([np.full(len(one["dtScores"][:most]), n) for n, one in pictures])[order]
            matched = np.concatenate([one["dtMatches"][:, :most] for _, one in pictures], axis=1)[:, order] > 0
            ignored = np.concatenate([one["dtIgnore"][:, :most] for _, one in pictures], axis=1)[:, order] > 0
            found.append((at, matched & ~ignored, ~matched & ~ignored, objects))
        return cls(count, tuple(found), np.asarray(params.recThrs))

    def drawn(self, times: np.ndarray) -> np.ndarray:
        """AP where each picture counts so many times.

        Args:
            times: (B, N), of B draws.

        Returns:
            (B,) float64; a class without an object is left out of its draw's mean, which is NaN where none is left.
        """
        return np.array([self._ap(np.asarray(one, float)) for one in times])

    def _ap(self, times: np.ndarray) -> float:
        values = []
        for picture, right, wrong, objects in self.classes:
            total = times @ objects
            if total <= 0:
                continue
            weights = times[picture]
            hits, misses = np.cumsum(right * weights, axis=1), np.cumsum(wrong * weights, axis=1)
            precision = hits / np.maximum(hits + misses, np.spacing(1))
            precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            precision = np.concatenate([precision, np.zeros((len(precision), 1))], axis=1)  # recalls never reached
            recall = hits / total
            read = [
                one[np.searchsorted(reached, self.recalls, side="left")]
                for one, reached in zip(precision, recall, strict=True)
            ]
            values.append(np.mean(read))
        return float(np.mean(values)) if values else math.nan
