"""A model on a whole data set: every measure of every picture, the worst ones, and curves of precision and recall."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from maskrcnn.evaluation.end_to_end.ap import IOU_THRESHOLDS, MOST_DETECTIONS, RECALL_POINTS, match
from maskrcnn.evaluation.evaluator import Evaluation, Evaluator
from maskrcnn.evaluation.measures import Nested
from maskrcnn.evaluation.passes import answers

# The measure that says how well a picture's task is done, where no other task can move it.
BY_TASK = {"proposal": "ar100", "bbox": "refined_iou", "class": "accuracy", "mask": "iou"}


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a pass over a data set gives.

    Attributes:
        evaluation: of all pictures together.
        pictures: their names; by_picture: the same measures of each picture alone.
    """

    evaluation: Evaluation
    pictures: tuple[str, ...]
    by_picture: tuple[Nested, ...] = dataclasses.field(repr=False)


def survey(
    model: Any, dataset: Any, batch_size: int = 8, limit: int | None = None, progress: bool = True, probe_seed: int = 0
) -> Survey:
    """Measure a data set, and each of its pictures alone, in one pass. See `maskrcnn.evaluation.evaluate`.

    Raises:
        ValueError: as `evaluate`.
    """
    most = max(MOST_DETECTIONS, model.config.detections_per_image)
    every, names, alone = Evaluator(dataset.class_names, probe_seed, most), [], []
    for answer in answers(model, dataset, batch_size, probe_seed, progress, limit):
        every.add(*answer)
        one = Evaluator(dataset.class_names, probe_seed, most)
        one.add(*answer)
        names.append(answer[0].name)
        alone.append(one.result(tide=False).measures)
    return Survey(every.result(), tuple(names), tuple(alone))


def worst_pictures(found: Survey, task: str, count: int = 10) -> list[tuple[int, float]]:
    """The pictures on which a task is done worst, by the task's own measure (BY_TASK), worst first.

    Returns:
        (index in the data set, value) of each; pictures without anything to measure are left out, and of equal ones
        the first comes first.
    """
    values = np.array([one[task][BY_TASK[task]] for one in found.by_picture])
    order = [int(row) for row in np.argsort(values, kind="stable") if np.isfinite(values[row])]
    return [(row, float(values[row])) for row in order[:count]]


@dataclasses.dataclass(frozen=True)
class PrecisionRecall:
    """pycocotools' curves.

    Attributes:
        ious: (T,) thresholds from which a detection finds an object; recall: (101,).
        precision: (T, 101, C), -1 for a class without objects; class_names: of the C classes.
    """

    ious: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    class_names: tuple[str, ...]


def precision_recall(evaluation: Evaluation, kind: str = "bbox") -> PrecisionRecall:
    """Precision at each recall, as pycocotools accumulates it over objects of all sizes.

    Args:
        evaluation: of `evaluate_in_detail` or `survey`.
        kind: "bbox" or "mask".
    """
    results = evaluation.box_results if kind == "bbox" else evaluation.mask_results
    shape = "bbox" if kind == "bbox" else "segm"
    precision = match(evaluation.ground_truth, results, shape, ranges=False).precision[..., 0]
    names = tuple(category["name"] for category in evaluation.ground_truth["categories"])
    return PrecisionRecall(IOU_THRESHOLDS, RECALL_POINTS, precision, names)
