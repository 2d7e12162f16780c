"""How far an exported file's detections are from those of the model it was written from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from maskrcnn.box_overlap import pairwise_iou
from maskrcnn.detection.detections import Detections

BOX_PX, SCORE = 1.0, 1e-2  # a detection within these is the same
_PAIRED = 0.5  # IoU from which two detections of a class are of one thing
_SURE = 0.5  # score


@dataclasses.dataclass(frozen=True)
class FileDifference:
    """An exported file beside its model, on the same pictures.

    A suppression or a limit decides between two boxes by the last digits of their scores, so that now and then one that
    scores low is another one: `same` counts those that are not.

    Attributes:
        pictures: compared.
        detections: of the model, but for those within `SCORE` of the limit that cuts off the others.
        same: those that the file has too, the box within `BOX_PX` px and the score within `SCORE`.
        sure, sure_same: of the former two, those that the model gives a score of at least 0.5.
        box_px, score: largest difference of a coordinate, and of a score, between the paired `sure` ones; nan if none.
        mask_iou: least IoU of their masks.
    """

    pictures: int
    detections: int
    same: int
    sure: int
    sure_same: int
    box_px: float
    score: float
    mask_iou: float


def file_difference(exported: Any, model: Any, images: Iterable[np.ndarray]) -> FileDifference:
    """Compare an exported file with the model it was written from.

    Both get the picture as the file takes it: of a file of fixed size, the fitted one.

    Args:
        exported: an ExportedDetector.
        model: the MaskRCNN.
        images: (H, W, 3) RGB pictures as `detect` takes them.
    """
    least, most = exported.sidecar["score_threshold"], exported.sidecar["max_detections"]
    pictures, rows = 0, []
    for image in images:
        pictures += 1
        fitted = exported.fitted(image)
        rows.append(_compared(model.detect(fitted, least, most), exported.detect(fitted), least, most))
    found = np.concatenate(rows) if rows else np.zeros((0, 4))
    same = (found[:, 1] <= BOX_PX) & (found[:, 2] <= SCORE)
    sure = found[:, 0] >= _SURE
    paired = found[sure & np.isfinite(found[:, 1])]
    box, score = (float(paired[:, i].max()) if len(paired) else float("nan") for i in (1, 2))
    mask = float(paired[:, 3].min()) if len(paired) else float("nan")
    return FileDifference(
        pictures, len(found), int(same.sum()), int(sure.sum()), int((same & sure).sum()), box, score, mask
    )


def _compared(ours: Detections, theirs: Detections, least: float, most: int) -> np.ndarray:
    """A row for each detection of the model: its score, then box and score difference and mask IoU, inf unpaired."""
    cut = least
    if max(len(ours), len(theirs)) == most:
        cut = max(found.scores.min() for found in (ours, theirs) if len(found) == most)
    rows = np.full((len(ours), 4), np.inf)
    rows[:, 0] = ours.scores
    if len(ours) and len(theirs):
        overlap = pairwise_iou(ours.boxes, theirs.boxes)
        overlap[ours.labels[:, None] != theirs.labels[None]] = 0
        for i in range(len(ours)):  # best first, each with the one it overlaps most
            j = int(overlap[i].argmax())
            if overlap[i, j] < _PAIRED:
                continue
            both = np.logical_or(ours.masks[i], theirs.masks[j]).sum()
            rows[i, 1] = np.abs(ours.boxes[i] - theirs.boxes[j]).max()
            rows[i, 2] = abs(float(ours.scores[i]) - float(theirs.scores[j]))
            rows[i, 3] = np.logical_and(ours.masks[i], theirs.masks[j]).sum() / both if both else 1.0
            overlap[:, j] = 0
    return rows[ours.scores > cut + SCORE]
