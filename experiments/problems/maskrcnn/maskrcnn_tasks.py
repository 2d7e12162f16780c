"""What Mask R-CNN declares of itself: its tasks and measures, and what its plots show beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from experiments.declaration import Breakdown, Figure, Measure, Task
from maskrcnn.evaluation.end_to_end.detections_only import CONFIDENT, confident_name
from maskrcnn.evaluation.measures import MEASURES, TIDE_ERRORS

# Task -> its title, and the measure that stands for it: no other task can move that one.
_TASKS = {
    "bbox": ("boxes", "refined_iou"),
    "class": ("classes", "accuracy"),
    "mask": ("masks", "iou"),
    "proposal": ("proposals", "ar100"),
}
# What stands in summaries -> its title there, and on axes.
_TITLES = {
    "bbox_refined_iou": ("box IoU", "IoU of refined boxes"),
    "class_accuracy": ("class accuracy", "macro accuracy"),
    "mask_iou": ("mask IoU", "mask IoU on true boxes"),
    "proposal_ar100": ("proposal AR", "AR of 100 proposals"),
    "bbox_ap": ("box AP", "box AP"),
    "mask_ap": ("mask AP", "mask AP"),
}
_LABELS = {
    "bbox_ap50": "box AP50",
    "bbox_class_agnostic_ap": "class-agnostic box AP",
    "mask_ap50": "mask AP50",
    "mask_ap75": "mask AP75",
}
_MARGINS = {"bbox_ap": 0.01, "mask_ap": 0.01}  # 1 AP


def _measure(column: str) -> Measure:
    known = MEASURES[column]
    title, label = _TITLES.get(column, ("", _LABELS.get(column, "")))
    return Measure(
        known.name, known.description, title, label, known.higher_is_better, known.floor, _MARGINS.get(column)
    )


TASKS = tuple(
    Task(
        name,
        title,
        primary,
        measures=tuple(_measure(column) for column, measure in MEASURES.items() if measure.task == name),
        shared=name == "proposal",
    )
    for name, (title, primary) in _TASKS.items()
)


def with_confidences(tasks: Sequence[Task], scores: Sequence[float]) -> tuple[Task, ...]:
    """Tasks that also declare AP of only those detections that have at least a score."""

    def more(task: Task, score: float) -> tuple[Measure, ...]:
        known = [task.measure(name) for name in CONFIDENT]
        what = f"of detections with a score of {score:g} or more"
        return tuple(Measure(confident_name(one.name, score), f"{one.description}, {what}") for one in known)

    return tuple(
        dataclasses.replace(task, measures=(*task.measures, *(one for score in scores for one in more(task, score))))
        if task.name in ("bbox", "mask")
        else task
        for task in tasks
    )


def figures_with_confidences(scores: Sequence[float]) -> tuple[Figure, ...]:
    """The figures, and where there are scores one of what the detections are worth that have at least these."""
    if not scores:
        return FIGURES
    panels = {
        f"{task}_{column}": f"{title} AP50, {text}"
        for task, title in (("mask", "Mask"), ("bbox", "Box"))
        for column, text in [("ap50", "all"), *((confident_name("ap50", score), f"from {score:g}") for score in scores)]
    }
    remark = "All: detections with a score of 0.05 or more."
    return (*FIGURES, Figure("confident", "what the network is sure of", remark, panels))


FIGURES = (
    Figure(
        "end_to_end",
        "detection end to end",
        "Here the tasks depend on each other.",
        {
            "bbox_ap50": "Boxes",
            "bbox_class_agnostic_ap": "Class-agnostic boxes",
            "mask_ap50": "Masks",
            "mask_ap75": "Masks, strict",
        },
    ),
)
BREAKDOWNS = (
    Breakdown(
        "tide",
        "where AP goes",
        "AP50 lost, points",
        "Points of AP50 that would come back if this kind of error were mended (TIDE: Bolya et al., 2020). "
        + "; ".join(f"{name}: {text}" for name, text in TIDE_ERRORS.items())
        + ".",
        {
            title: {error: f"{task}_tide_{error}" for error in TIDE_ERRORS}
            for task, title in (("bbox", "Boxes"), ("mask", "Masks"))
        },
        scale=100.0,
    ),
)
PARTS = {
    "features": "features/",
    "fpn": "features/fpn",
    "rpn": "rpn/",
    "box_head": "box_head/",
    "mask_head": "mask_head/",
}
LOSS_TITLES = {
    "rpn_class_loss": "proposals: object or not",
    "rpn_bbox_loss": "proposals: boxes",
    "mrcnn_class_loss": "classes",
    "mrcnn_bbox_loss": "boxes",
    "mrcnn_mask_loss": "masks",
}
COLUMNS = {
    "macs_image": "height x width px that macs count",
    "macs_rois": "proposals that macs count",
    "macs_detections": "detections that macs count",
    "macs_1000_100": "effective_macs with 1000 proposals and 100 detections",
    "latency_ms": "median time of detect for a picture, with macs_detections detections whatever their scores",
    # These measures keep the place that they have always had in tables, before those of the other tasks.
    "proposal_ar100": "",
    "proposal_recall50": "",
}
