"""The isolated measures: each task's answers on the probe boxes, where no other task can move them."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from maskrcnn.data.cut_masks import CutMasks
from maskrcnn.evaluation.overlap import boundary_width, in_window, overlaps_of_pair

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # bit for bit pycocotools' own
PROPOSALS = 100  # of AR@100
ECE_BINS = 15
LEAST_PROBABILITY = 1e-12  # keeps the NLL finite


def recalled(
    proposals: np.ndarray,
    scores: np.ndarray,
    boxes: np.ndarray,
    thresholds=IOU_THRESHOLDS,
    most: int | None = None,
) -> np.ndarray:
    """Counts the objects that proposals find, matched one to one and best score first, as COCO does.

    Args:
        proposals: (P, 4) xyxy px.
        scores: (P,) floats.
        boxes: (G, 4) xyxy px, the objects without crowds (a crowd takes no match from an object).
        thresholds: (T,) IoUs from which a proposal finds an object.
        most: number of proposals, the best ones, that count; None: all.

    Returns:
        (T,) int64 counts.
    """
    thresholds = np.asarray(thresholds, np.float64)
    counts = np.zeros(len(thresholds), np.int64)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")[:most]
    if not len(order) or not len(boxes):
        return counts
    # pycocotools' own IoU, so that ties at a threshold fall as they do there
    ious = coco_mask.iou(xywh(np.asarray(proposals)[order]), xywh(boxes), [0] * len(boxes))
    ious = np.nan_to_num(ious, nan=0.0)
    for t, threshold in enumerate(thresholds):
        free = np.ones(len(boxes), bool)
        for row in ious[(ious >= threshold).any(axis=1)]:
            candidates = np.where(free, row, -1.0)
            best = len(candidates) - 1 - candidates[::-1].argmax()  # the last of equals, as pycocotools
            if candidates[best] >= threshold:
                free[best] = False
                counts[t] += 1
                if counts[t] == len(boxes):
                    break
    return counts


def xywh(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) float64 COCO boxes (x, y, width, height) of (N, 4) xyxy boxes."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def class_measures(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The class task on probe boxes.

    Args:
        probabilities: (K, C+1), background first. What is not finite counts as 0.
        labels: (K,) int, 0 is background.

    Returns:
        accuracy: mean over the classes that occur, background included, of the share whose argmax is right.
        accuracy_fg: the same over the object classes, argmax among them only.
        background_rejection: share of background boxes whose argmax is background.
        nll: mean of -ln p(true class) over all boxes, in nats.
        ece: expected calibration error of the argmax over all boxes, 15 equal bins (Guo et al. 2017).
        NaN where there is nothing to measure.
    """
    probabilities = np.nan_to_num(np.asarray(probabilities, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    labels = np.asarray(labels)
    objects = labels > 0
    right = probabilities.argmax(axis=1) == labels if len(labels) else np.zeros(0, bool)
    right_fg = (
        probabilities[objects, 1:].argmax(axis=1) + 1 == labels[objects] if objects.any() else right[:0]
    )
    truth = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": _mean(list(recall_by_class(right, labels).values())),
        "accuracy_fg": _mean(list(recall_by_class(right_fg, labels[objects]).values())),
        "background_rejection": _mean(right[~objects]),
        "nll": _mean(-np.log(np.clip(truth, LEAST_PROBABILITY, 1.0))),
        "ece": calibration_error(probabilities, labels),
    }


def recall_by_class(right: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """Label -> share of (K,) bool `right` among its boxes, for the labels that occur."""
    return {int(label): float(right[labels == label].mean()) for label in np.unique(labels)}


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = ECE_BINS) -> float:
    """Mean over boxes of |accuracy - confidence| of the bin each falls in, bins of equal width in (0, 1]."""
    if not len(labels):
        return float("nan")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(index, right - confidence, minlength=bins)  # count * (accuracy - confidence)
    return float(np.abs(gap).sum() / len(labels))


def mask_measures(ious: np.ndarray, boundary_ious: np.ndarray) -> dict[str, float]:
    """The mask task from its (M,) IoUs: mean, share at or above 0.5:0.95, and mean boundary IoU."""
    ious = np.asarray(ious, np.float64)
    return {
        "iou": _mean(ious),
        "iou_share": _mean((ious[:, None] >= IOU_THRESHOLDS).mean(axis=1)),
        "boundary_iou": _mean(boundary_ious),
    }


def mask_overlaps(probabilities: np.ndarray, boxes: np.ndarray, masks: CutMasks) -> tuple[np.ndarray, np.ndarray]:
    """Pastes small masks into their boxes and compares them with the truth.

    Args:
        probabilities: (M, s, s) float in [0, 1].
        boxes: (M, 4) xyxy px.
        masks: the M true masks of a picture.

    Returns:
        IoU (M,) and boundary IoU (M,), float64.
    """
    from maskrcnn.regions.pasting import paste_masks

    if not len(masks):
        return np.zeros(0), np.zeros(0)
    height, width = masks.size
    probabilities = np.nan_to_num(np.asarray(probabilities, np.float32), nan=0.0)
    boxes = np.asarray(boxes, np.float32)
    pasted = paste_masks(probabilities, boxes, height, width, threshold=0.5)
    distance = boundary_width(height, width)
    found = np.zeros((2, len(masks)))
    for i, window in enumerate(_windows(boxes, probabilities.shape[1], masks).tolist()):
        x0, y0, x1, y1 = window
        pair = np.stack([pasted[i, y0:y1, x0:x1], in_window(masks, i, window)])
        found[:, i] = overlaps_of_pair(pair, distance)
    return found[0], found[1]


def _windows(boxes, cells, masks) -> np.ndarray:
    """(M, 4) int64 xyxy px: where a mask of so many cells, pasted into its box, and the true mask have their pixels."""
    around = (boxes[:, 2:] - boxes[:, :2]) / cells + 2  # pasting adds a cell on each side, and rounds
    low = np.floor(np.minimum(boxes[:, :2] - around, masks.windows[:, :2]))
    high = np.ceil(np.maximum(boxes[:, 2:] + around, masks.windows[:, 2:]))
    end = np.array(masks.size[::-1], np.float64)
    low = np.clip(low, 0, end)
    return np.concatenate([low, np.clip(high, low, end)], axis=1).astype(np.int64)


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
