"""The table of measures: what each is called, whose task it is and which way is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

TASKS = ("proposal", "bbox", "class", "mask")
Nested = dict[str, dict[str, float]]  # task -> measure -> value


@dataclass(frozen=True)
class Measure:
    """One measure of one task.

    Attributes:
        task: one of TASKS.
        name: its key under the task; `<task>_<name>` is its column.
        higher_is_better: which way is better; None for a property of the data, which no model moves.
        isolated: True if it is taken on the probe set (or on the proposals), where no other task can move it;
            False if it is end to end.
        description: one line for tables and plots.
        floor: the trivial predictor that `floors` measures; "" where none makes sense (its floor is NaN).
    """

    task: str
    name: str
    higher_is_better: bool | None
    isolated: bool
    description: str
    floor: str

    @property
    def column(self) -> str:
        return f"{self.task}_{self.name}"


def _average_precision(task: str, shape: str) -> list[Measure]:
    nothing = "no detections"
    kinds = {
        "ap": "AP, mean over IoU 0.5:0.95",
        "ap50": "AP at IoU 0.5",
        "ap75": "AP at IoU 0.75",
        "ap_small": "AP of objects under 32 x 32 px",
        "ap_medium": "AP of objects of 32 x 32 to 96 x 96 px",
        "ap_large": "AP of objects over 96 x 96 px",
    }
    return [Measure(task, name, True, False, f"COCO {shape} {text}", nothing) for name, text in kinds.items()]


TIDE_ERRORS = {
    "class": "wrong class, IoU >= 0.5",
    "localisation": "right class, IoU 0.1 to 0.5",
    "both": "wrong class, IoU 0.1 to 0.5",
    "duplicate": "an object that a better detection has",
    "background": "IoU at most 0.1 with every object",
    "missed": "objects not found, nor covered by a class or localisation error",
}


def _tide(task: str, shape: str) -> list[Measure]:
    return [
        Measure(task, f"tide_{error}", False, False, f"{shape} AP50 lost to: {text} (TIDE)", "")
        for error, text in TIDE_ERRORS.items()
    ]


_guess, _ones = "a class guessed at random, or always the same one", "an all-ones mask"
MEASURES: dict[str, Measure] = {
    measure.column: measure
    for measure in (
        Measure(
            "proposal", "ar100", True, True, "AR of the 100 best proposals, IoU 0.5:0.95", "100 fixed tiles"
        ),
        Measure("proposal", "recall50", True, True, "recall of all proposals at IoU 0.5", "100 fixed tiles"),
        *_average_precision("bbox", "box"),
        Measure(
            "bbox",
            "class_agnostic_ap",
            True,
            False,
            "COCO box AP with every class set to one",
            "no detections",
        ),
        Measure(
            "bbox",
            "refined_iou",
            True,
            True,
            "mean IoU of jittered boxes after refinement",
            "unrefined boxes",
        ),
        *_tide("bbox", "box"),
        Measure("class", "accuracy", True, True, "macro accuracy over the classes and background", _guess),
        Measure(
            "class", "accuracy_fg", True, True, "macro accuracy, argmax over object classes only", _guess
        ),
        Measure(
            "class", "background_rejection", True, True, "share of background boxes seen as such", _guess
        ),
        Measure(
            "class",
            "nll",
            False,
            True,
            "mean negative log likelihood of the class, nats",
            "equal probabilities",
        ),
        Measure(
            "class",
            "ece",
            False,
            True,
            "expected calibration error, 15 bins",
            "a random guess called certain",
        ),
        *_average_precision("mask", "mask"),
        Measure("mask", "iou", True, True, "mean mask IoU on ground-truth boxes", _ones),
        Measure("mask", "iou_share", True, True, "share of masks at or above IoU 0.5:0.95, its mean", _ones),
        Measure("mask", "boundary_iou", True, True, "mean boundary IoU (2 % of the diagonal)", _ones),
        Measure("mask", "iou_ceiling", None, True, "mask IoU of a perfect mask on the head's grid", ""),
        Measure("mask", "boundary_iou_ceiling", None, True, "boundary IoU of such a perfect mask", ""),
        *_tide("mask", "mask"),
    )
}


def columns(measures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Flattens {task: {measure: value}} to {"<task>_<measure>": value}, the columns of a results table."""
    return {
        f"{task}_{name}": float(value) for task, values in measures.items() for name, value in values.items()
    }


def normalised_quality(measured: Mapping, floor: Mapping, dense: Mapping) -> Nested:
    """(m - floor) / (dense - floor) of every measure: 1 is the dense model, 0 the trivial predictor.

    It holds whichever way a measure is better.

    Args:
        measured: {task: {measure: value}} of the model in question.
        floor: the same of the trivial predictors (`floors`).
        dense: the same of the reference model.

    Returns:
        The same nested dict; NaN where the dense model is no better than the floor, or a figure is missing.
    """

    def quality(task: str, name: str, value: float) -> float:
        low, high = (float(table.get(task, {}).get(name, math.nan)) for table in (floor, dense))
        measure = MEASURES.get(f"{task}_{name}")
        gain = high - low if measure is None or measure.higher_is_better else low - high
        if not gain > 1e-12:
            return math.nan
        return (float(value) - low) / (high - low)

    return {task: {n: quality(task, n, v) for n, v in values.items()} for task, values in measured.items()}


def nested(flat: Mapping[str, float]) -> Nested:
    """The inverse of `columns` for the names of MEASURES; other columns are left out."""
    result: Nested = {task: {} for task in TASKS}
    for column, value in flat.items():
        if column in MEASURES:
            result[MEASURES[column].task][MEASURES[column].name] = float(value)
    return result
