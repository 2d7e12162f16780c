"""The tables of docs/original_experiment.md: a study of loss phases with Mask R-CNN's tasks and two confidences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from experiments.studies.pages.phases_tables import (
    contrast_table,
    cut_table,
    dense_table,
    read_phases,
    seed_table,
    stage_table,
)

_ISOLATED = {"class_accuracy": "class accuracy", "bbox_refined_iou": "box IoU", "mask_iou": "mask IoU"}
_AP = {"bbox_ap": "box AP", "mask_ap": "mask AP"}
_AP50 = {"mask_ap50": "mask AP50, from 0.05", "mask_ap50_at70": "mask AP50, from 0.7"}
_GAINS = {"bbox_ap": "box AP gained, points", "mask_ap": "mask AP gained, points"}
_QUALITIES = {"class_quality": "class accuracy", "bbox_quality": "box IoU", "mask_quality": "mask IoU"}

PHASES: dict[str, Callable[[Path, tuple[float, ...]], str]] = {
    "phases_dense": lambda path, ratios: dense_table(read_phases(path), _ISOLATED | _AP | _AP50, _GAINS),
    "phases_cuts": lambda path, ratios: cut_table(read_phases(path), _AP50, ("pruned", "recalibrated")),
    "phases_seeds": lambda path, ratios: seed_table(read_phases(path), "mask_ap50", ratios[0]),
    "phases_features": lambda path, ratios: cut_table(read_phases(path, part=1), _AP50, ("pruned",)),
    "phases_tuned": lambda path, ratios: stage_table(read_phases(path), _ISOLATED | _AP | _AP50, "finetuned"),
    "phases_contrasts": lambda path, ratios: contrast_table(
        read_phases(path), _QUALITIES | _AP50, ("pruned", "recalibrated", "finetuned")
    ),
}
