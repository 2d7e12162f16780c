"""Gathers a model's answers picture by picture and works out every measure of every task."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from maskrcnn.box_overlap import aligned_iou
from maskrcnn.evaluation.end_to_end.ap import MOST_DETECTIONS, agnostic, average_precision, match
from maskrcnn.evaluation.end_to_end.ranked_detections import RankedDetections
from maskrcnn.evaluation.end_to_end.records import CocoRecords
from maskrcnn.evaluation.end_to_end.tide import tide as tide_errors
from maskrcnn.evaluation.isolated import (
    IOU_THRESHOLDS,
    PROPOSALS,
    class_measures,
    mask_measures,
    mask_overlaps,
    recall_by_class,
    recalled,
)
from maskrcnn.evaluation.known_truth import KnownTruth
from maskrcnn.evaluation.measures import MEASURES, TASKS, Nested
from maskrcnn.evaluation.picture_shares import Shares, per_picture
from maskrcnn.evaluation.probe import JITTERED, ImageProbes, ProbeSet


@dataclass(frozen=True)
class Evaluation:
    """What a pass gives.

    Attributes:
        measures: {task: {measure: value}}, NaN where there is nothing to measure; no "mask" of a model without masks.
        per_class: {class name: {column: value}}: box and mask AP, AP50 and AP75, class accuracy, `objects`.
        probes: the boxes that were asked.
        ground_truth: the data set in COCO's format, JSON ready.
        box_results: the detections' boxes in COCO's result format, JSON ready.
        mask_results: the detections' masks likewise.
        agnostic_results: the class-agnostic boxes likewise, all of category 1.
        by_picture: task -> what each picture adds to its isolated measure: see `per_picture`.
        ranked: "bbox", "mask" -> what tells the AP of pictures drawn again: see `RankedDetections`.
    """

    measures: Nested
    per_class: dict[str, dict[str, float]]
    probes: ProbeSet
    ground_truth: dict[str, Any] = field(repr=False)
    box_results: list[dict[str, Any]] = field(repr=False)
    mask_results: list[dict[str, Any]] = field(repr=False)
    agnostic_results: list[dict[str, Any]] = field(repr=False)
    by_picture: dict[str, Shares] = field(repr=False, default_factory=dict)
    ranked: dict[str, RankedDetections] = field(repr=False, default_factory=dict)


class Evaluator:
    """Takes in one picture's answers at a time and works out every measure at the end.

    Args:
        class_names: names of the labels 1, 2, ...
        probe_seed: the seed of the probes that will be added, kept with them.
        most_detections: of a picture and class, that AP counts.
        known: of the data set whose pictures will be added, in order.
    """

    def __init__(
        self,
        class_names,
        probe_seed: int = 0,
        most_detections: int = MOST_DETECTIONS,
        known: KnownTruth | None = None,
    ) -> None:
        self._known = KnownTruth(None) if known is None else known
        self._most = most_detections
        self._names = tuple(class_names)
        self._seed = probe_seed
        self._records = CocoRecords()
        self._probes: list[ImageProbes] = []
        self._hits = np.zeros(len(IOU_THRESHOLDS), np.int64)
        self._hits50 = 0
        self._found: list[float] = []  # objects that the best proposals find, a mean over thresholds
        self._tasks: tuple[str, ...] = TASKS
        self._refined: list[np.ndarray] = []
        self._probabilities: list[np.ndarray] = []
        self._overlaps: list[tuple[np.ndarray, ...]] = []  # IoU, boundary IoU, and both at the ceiling

    def add(self, sample, probes: ImageProbes, measured) -> None:
        """Adds one picture.

        Args:
            sample: the `Sample`.
            probes: the boxes that were asked on it.
            measured: the model's `Measured` for them, in pixels of the sample's picture.

        Raises:
            ValueError: if an answer's shape does not fit the probes and classes.
        """
        self._check(sample, probes, measured)
        number = len(self._probes)
        self._records.add(sample, measured, self._known.runs(number, sample))
        self._probes.append(probes)

        boxes = probes.mask_boxes
        proposals, scores = measured.proposals, measured.proposal_scores
        hits = recalled(proposals, scores, boxes, most=PROPOSALS)
        self._hits += hits
        self._found.append(hits.mean())
        self._hits50 += int(recalled(proposals, scores, boxes, thresholds=[0.5])[0])

        jittered = np.flatnonzero(probes.kind == JITTERED)
        box_ious = np.zeros(0)
        if len(jittered):
            refined = np.asarray(measured.refined_boxes)[jittered, probes.labels[jittered]]
            box_ious = aligned_iou(refined, np.asarray(sample.boxes)[probes.owner[jittered]])
        self._refined.append(box_ious)
        probabilities = np.asarray(measured.class_probs, np.float32)
        self._probabilities.append(probabilities.reshape(-1, len(self._names) + 1))

        if measured.mask_probs is None:
            self._tasks = tuple(task for task in self._tasks if task != "mask")
        elif len(boxes):
            masks, truth = np.asarray(measured.mask_probs), sample.cut_masks.take(probes.mask_owner)
            channel = np.asarray(sample.labels)[probes.mask_owner] - 1
            mask_ious = mask_overlaps(masks[np.arange(len(boxes)), :, :, channel], boxes, truth)
            limits = self._known.mask_ceiling(number, sample, probes, masks.shape[1])
            self._overlaps.append(mask_ious + limits)

    def result(self, tide: bool = True) -> Evaluation:
        """Works out every measure of the pictures added so far.

        Args:
            tide: also the TIDE split of errors.

        Returns:
            The `Evaluation`.
        """
        if not self._probes:
            raise ValueError("No picture was added: there is nothing to measure.")
        truth = self._records.ground_truth(self._names)
        boxes, masks, agnostic_boxes = self._records.results()
        runs = {"bbox": match(truth, boxes, "bbox", most=self._most)}
        if "mask" in self._tasks:
            runs["mask"] = match(truth, masks, "segm", most=self._most)
        one_class = match(agnostic(truth), agnostic_boxes, "bbox", ranges=False, most=self._most)

        found = self._isolated()
        found["bbox"] |= average_precision(runs["bbox"])
        found["bbox"]["class_agnostic_ap"] = average_precision(one_class)["ap"]
        if "mask" in self._tasks:
            found["mask"] |= average_precision(runs["mask"])
        if tide:
            for task, run in runs.items():
                found[task] |= {f"tide_{error}": cost for error, cost in tide_errors(run).items()}
        measures: Nested = {task: {} for task in self._tasks}
        for measure in MEASURES.values():  # in the table's order
            if measure.task in measures and measure.name in found[measure.task]:
                measures[measure.task][measure.name] = float(found[measure.task][measure.name])
        probes = ProbeSet(self._seed, tuple(self._probes))
        shares = per_picture(self._probes, self._found, self._refined, self._probabilities, self._overlaps)
        return Evaluation(
            measures, self._by_class(runs), probes, truth, boxes, masks, agnostic_boxes,
            {task: share for task, share in shares.items() if task in self._tasks},
            {task: RankedDetections.of(run, len(truth["images"])) for task, run in runs.items()},
        )  # fmt: skip

    def _isolated(self) -> Nested:
        labels, probabilities = self._labels_and_probabilities()
        refined = np.concatenate([np.zeros(0), *self._refined])
        columns = zip(*self._overlaps, strict=True) if self._overlaps else [(np.zeros(0),)] * 4
        iou, boundary, ceiling, boundary_ceiling = (np.concatenate(column) for column in columns)
        limits = mask_measures(ceiling, boundary_ceiling)
        objects = sum(len(probes.mask_boxes) for probes in self._probes)
        recall = self._hits / objects if objects else np.full(len(self._hits), math.nan)
        return {
            "proposal": {"ar100": recall.mean(), "recall50": self._hits50 / objects if objects else math.nan},
            "bbox": {"refined_iou": refined.mean() if len(refined) else math.nan},
            "class": class_measures(probabilities, labels),
            "mask": mask_measures(iou, boundary)
            | {"iou_ceiling": limits["iou"], "boundary_iou_ceiling": limits["boundary_iou"]},
        }

    def _by_class(self, runs) -> dict[str, dict[str, float]]:
        labels, probabilities = self._labels_and_probabilities()
        right = np.nan_to_num(probabilities, nan=0.0).argmax(axis=1) == labels
        accuracy = recall_by_class(right, labels)
        table = {}
        for i, name in enumerate(self._names):
            row = {"objects": float(self._records.objects_of(i + 1))}
            for task, run in runs.items():
                precision = average_precision(run, category=i)
                row |= {f"{task}_{key}": precision[key] for key in ("ap", "ap50", "ap75")}
            table[name] = row | {"class_accuracy": accuracy.get(i + 1, math.nan)}
        return table

    def _labels_and_probabilities(self) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate([p.labels for p in self._probes]), np.concatenate(self._probabilities)

    def _check(self, sample, probes, measured) -> None:
        classes, boxes, masks = len(self._names) + 1, len(probes.boxes), len(probes.mask_boxes)
        side = np.shape(measured.mask_probs)[1] if np.ndim(measured.mask_probs) > 1 else 0  # type: ignore[arg-type]
        expected = {
            "class_probs": (boxes, classes),
            "refined_boxes": (boxes, classes, 4),
        }
        if measured.mask_probs is not None:
            expected["mask_probs"] = (masks, side, side, classes - 1)
        for name, shape in expected.items():
            found = np.shape(getattr(measured, name))
            if shape[0] and found != shape:
                raise ValueError(
                    f"{sample.name}: the model's {name} has shape {found}, expected {shape} for {boxes} "
                    f"probe boxes, {masks} mask boxes and {classes - 1} classes. Answer every box, in order."
                )
