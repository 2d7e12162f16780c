"""Floors and ceilings: what trivial and perfect predictors get on the same probe set."""

from __future__ import annotations

import math

import numpy as np

from maskrcnn.evaluation.isolated import (
    IOU_THRESHOLDS,
    PROPOSALS,
    calibration_error,
    class_measures,
    mask_measures,
    mask_overlaps,
    recalled,
)
from maskrcnn.evaluation.measures import MEASURES, TASKS, Nested
from maskrcnn.evaluation.overlap import resample_masks
from maskrcnn.evaluation.probe import ProbeSet, unrefined_iou

MASK_SIZE = 28
_TILINGS = (1, 3, 4, 5, 7)  # 1 + 9 + 16 + 25 + 49 = 100 tiles


def floors(dataset, probes: ProbeSet) -> Nested:
    """Measures trivial predictors, each one the best that knows nothing of the picture.

    Proposals: 100 fixed tiles of the picture. Boxes: left unrefined. Class: the better of a random guess,
    1 / (C + 1), and of always the same class; for the NLL, equal probabilities; for the ECE, a random guess
    that calls itself certain. Masks: all ones in the box. End to end: no detections, AP 0.

    Args:
        dataset: the `Dataset` that the probes were drawn for.
        probes: its `ProbeSet`.

    Returns:
        {task: {measure: value}} with the keys of `evaluate`; NaN where a measure has no floor, or there is
        nothing to measure.
    """
    tiles = _tiles()
    hits, hits50, objects = np.zeros(len(IOU_THRESHOLDS)), 0, 0
    unrefined, overlaps, boundaries = [], [], []
    for index, probe in enumerate(probes):
        sample = dataset[index]
        height, width = sample.image.shape[:2]
        proposals = tiles * [width, height, width, height]
        found = recalled(proposals, np.zeros(len(tiles)), probe.mask_boxes)
        hits, hits50, objects = hits + found, hits50 + found[0], objects + len(probe.mask_boxes)
        unrefined.append(unrefined_iou(sample, probe))
        ones = np.ones((len(probe.mask_boxes), MASK_SIZE, MASK_SIZE), np.float32)
        iou, boundary = mask_overlaps(ones, probe.mask_boxes, sample.cut_masks.take(probe.mask_owner))
        overlaps.append(iou)
        boundaries.append(boundary)
    ious = np.concatenate(unrefined)
    labels = np.concatenate([probe.labels for probe in probes])
    any_object = objects > 0
    floor = _empty(0.0 if any_object else math.nan)
    floor["proposal"] = {
        "ar100": float(np.mean(hits) / objects) if any_object else math.nan,
        "recall50": float(hits50 / objects) if any_object else math.nan,
    }
    floor["bbox"]["refined_iou"] = float(ious.mean()) if len(ious) else math.nan
    floor["class"] = _class_floor(labels, len(dataset.class_names))
    floor["mask"] |= mask_measures(np.concatenate(overlaps), np.concatenate(boundaries))
    return floor


def ceilings(dataset, probes: ProbeSet, mask_size: int = MASK_SIZE) -> Nested:
    """What perfect predictors get: 1 or 0, but for masks, which a small grid limits.

    Args:
        dataset: the `Dataset` that the probes were drawn for.
        probes: its `ProbeSet`.
        mask_size: side of the mask head's grid.

    Returns:
        {task: {measure: value}} with the keys of `evaluate`.
    """
    pairs = [mask_ceiling(dataset[index], probe, mask_size) for index, probe in enumerate(probes)]
    masks = mask_measures(*(np.concatenate(column) for column in zip(*pairs, strict=True)))
    ceiling = _empty(math.nan)
    for measure in MEASURES.values():
        if measure.higher_is_better is not None:
            ceiling[measure.task][measure.name] = float(measure.higher_is_better)
    limits = {"iou_ceiling": masks["iou"], "boundary_iou_ceiling": masks["boundary_iou"]}
    ceiling["mask"] |= masks | limits
    return ceiling


def mask_ceiling(sample, probe, mask_size: int = MASK_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """IoU (M,) and boundary IoU (M,) of the true masks, put on the head's grid and pasted back."""
    masks = sample.cut_masks.take(probe.mask_owner)
    return mask_overlaps(resample_masks(masks, probe.mask_boxes, mask_size), probe.mask_boxes, masks)


def _class_floor(labels, classes):
    guess = class_measures(np.full((len(labels), classes + 1), 1 / (classes + 1)), labels)
    present, present_fg = len(np.unique(labels)), len(np.unique(labels[labels > 0]))
    certain = np.zeros((classes + 1, classes + 1))
    certain[:, 0] = 1.0  # over every class once, a guess is right 1 time in C + 1
    return {
        "accuracy": max(1 / (classes + 1), 1 / present) if present else math.nan,
        "accuracy_fg": max(1 / classes, 1 / present_fg) if present_fg else math.nan,
        "background_rejection": 1 / (classes + 1) if (labels == 0).any() else math.nan,
        "nll": guess["nll"],
        "ece": calibration_error(certain, np.arange(classes + 1)) if len(labels) else math.nan,
    }


def _tiles():
    """(100, 4) boxes of the unit square: 1, 3 x 3, 4 x 4, 5 x 5 and 7 x 7 tiles."""
    grids = []
    for n in _TILINGS:
        row, column = np.divmod(np.arange(n * n), n)
        grids.append(np.stack([column, row, column + 1, row + 1], axis=1) / n)
    tiles = np.concatenate(grids)
    assert len(tiles) == PROPOSALS
    return tiles


def _empty(value: float) -> Nested:
    """Every measure: `value` where it has a floor, else NaN."""
    table: Nested = {task: {} for task in TASKS}
    for measure in MEASURES.values():
        table[measure.task][measure.name] = value if measure.floor else math.nan
    return table
