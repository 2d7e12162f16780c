"""What changed at each stage between two models, in figures: a model compared with itself has zeros alone."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from maskrcnn.box_overlap import aligned_iou, pairwise_iou
from maskrcnn.evaluation.overlap import mask_iou
from maskrcnn.inspect.activation_maps import Activation
from maskrcnn.inspect.picture_stages import Stages
from maskrcnn.inspect.stage_texts import part_name
from maskrcnn.inspect.weight_shares import LayerWeights

BEST = 100  # anchors and proposals that are compared one by one


@dataclasses.dataclass(frozen=True)
class Difference:
    """One figure of one stage.

    Attributes:
        stage: 1 to 7.
        what: it is.
        first, second: its value for either model; None where it only exists between them.
        change: second less first, or how far apart the models are; NaN where there is nothing to compare.
    """

    stage: int
    what: str
    first: float | None
    second: float | None
    change: float


def stage_differences(first: Stages, second: Stages) -> list[Difference]:
    """The figures of stages 1, 2, 3 and 7 of one picture in two models.

    Raises:
        ValueError: the pictures or the classes differ.
    """
    if not np.array_equal(first.image, second.image) or first.class_names != second.class_names:
        raise ValueError("expected the stages of one picture in two models of the same classes")
    return [*_anchors(first, second), *_proposals(first, second), *_detections(first, second)]


def activation_differences(first: Sequence[Activation], second: Sequence[Activation]) -> list[Difference]:
    """Zero and noisy channels of the layers that both have; where shapes agree, how far their answers are apart."""
    theirs = {one.layer: one for one in second}
    pairs = [(one, theirs[one.layer]) for one in first if one.layer in theirs]
    counts: dict[str, Callable[[Activation], int]] = {
        "all": lambda one: len(one.zero),
        "all-zero": lambda one: int(one.zero.sum()),
        "noisy": lambda one: int(one.noisy.sum()),
    }
    found = []
    for word, count in counts.items():
        sums = [sum(count(pair[side]) for pair in pairs) for side in (0, 1)]
        found.append(_pair(4, f"{word} channels, in the layers shown", *sums))
    for one, other in pairs:
        if one.of_regions or [m.shape for m in one.maps] != [m.shape for m in other.maps]:
            continue  # of other regions, or other channels
        apart = sum(float(np.square(a - b).sum()) for a, b in zip(one.maps, other.maps, strict=True))
        size = sum(float(np.square(a).sum()) for a in one.maps)
        share = float(np.sqrt(apart / size)) if size else np.nan
        text = f"distance of the answers of {one.layer}, as a share of their size"
        found.append(Difference(4, text, None, None, share))
    return found


def weight_differences(first: Sequence[LayerWeights], second: Sequence[LayerWeights]) -> list[Difference]:
    """Weights of the kernels, and the share of them that is 0, by part of the network."""
    sums: list[Counter[str]] = []
    zeros: list[Counter[str]] = []
    for layers in (first, second):
        sums.append(Counter())
        zeros.append(Counter())
        for one in layers:
            sums[-1][one.part] += one.values.size
            zeros[-1][one.part] += int((one.values == 0).sum())
    found = []
    for part in dict.fromkeys([*sums[0], *sums[1]]):
        found.append(_pair(5, f"weights in kernels of the {part_name(part)}", sums[0][part], sums[1][part]))
        shares = [zero[part] / max(1, total[part]) for zero, total in zip(zeros, sums, strict=True)]
        found.append(_pair(5, f"share of them that is 0, {part_name(part)}", *shares))
    return found


def _anchors(first: Stages, second: Stages) -> list[Difference]:
    found = [_pair(1, "anchors", len(first.anchors), len(second.anchors))]
    if np.array_equal(first.anchors, second.anchors):
        apart = float(np.abs(first.objectness - second.objectness).mean())
        found.append(Difference(1, "mean distance of objectness, all anchors", None, None, apart))
        best = np.argsort(-first.objectness, kind="stable")[:BEST]
        moved = 1 - float(_safe_iou(first.anchor_boxes[best], second.anchor_boxes[best]).mean())
        text = f"mean 1 − IoU of the boxes that the first's {len(best)} best anchors become"
        found.append(Difference(1, text, None, None, moved))
    if first.truth is not None and second.truth is not None and len(first.truth.boxes):
        values = []
        for stages, truth in ((first, first.truth), (second, second.truth)):
            rows = truth.anchor_labels == 1
            objects = truth.boxes[truth.anchor_objects[rows]]
            overlap = aligned_iou(stages.anchor_boxes[rows], objects)
            values.append((float(stages.objectness[rows].mean()), float(overlap.mean())))
        found.append(_pair(1, "mean objectness of positive anchors", values[0][0], values[1][0]))
        found.append(_pair(1, "mean IoU of refined positive anchors with their object", values[0][1], values[1][1]))
    return found


def _proposals(first: Stages, second: Stages) -> list[Difference]:
    best = first.proposals[:BEST]
    found = [
        _pair(2, "proposals", len(first.proposals), len(second.proposals)),
        _pair(2, "their mean score", _mean(first.proposal_scores), _mean(second.proposal_scores)),
    ]
    if len(best):
        nearest = pairwise_iou(best, second.proposals).max(axis=1, initial=0.0)
        text = f"share of the first's {len(best)} best proposals that the second lacks (IoU 0.7)"
        found.append(Difference(2, text, None, None, float((nearest < 0.7).mean())))
    if first.truth is not None and (~first.truth.crowd).any():
        objects = first.truth.boxes[~first.truth.crowd]
        overlap = [pairwise_iou(objects, one.proposals).max(axis=1, initial=0.0) for one in (first, second)]
        recall = [(best >= 0.5).mean() for best in overlap]
        found.append(_pair(2, "share of objects that a proposal finds (IoU 0.5)", *recall))
        found.append(_pair(2, "mean best IoU of an object", *(o.mean() for o in overlap)))
    called = [int((one.class_probs[:, 0] < 0.5).sum()) for one in (first, second)]
    return [*found, _pair(2, "proposals that the second stage calls an object", *called)]


def _detections(first: Stages, second: Stages) -> list[Difference]:
    pairs = paired_detections(first, second)
    rows, others = pairs[:, 0], pairs[:, 1]
    one, other = first.detections, second.detections
    found = [Difference(3, "detections of both, whose masks are compared", len(pairs), len(pairs), 0.0)]
    if len(pairs):
        apart = 1 - float(_safe_mask_iou(one.masks[rows], other.masks[others]).mean())
        cells = float(np.abs(first.mask_probs[rows] - second.mask_probs[others]).mean())
        found.append(Difference(3, "mean 1 − IoU of their pasted masks", None, None, apart))
        found.append(Difference(3, "mean distance of their 28 x 28 probabilities", None, None, cells))
    found.append(_pair(7, "detections", len(one), len(other)))
    found.append(Difference(7, "lost: the first's that the second lacks", None, None, float(len(one) - len(pairs))))
    found.append(Difference(7, "new: the second's that the first lacks", None, None, float(len(other) - len(pairs))))
    if len(pairs):
        found.append(_pair(7, "mean score of those of both", _mean(one.scores[rows]), _mean(other.scores[others])))
    if first.truth is not None:
        right = [objects_found(stages) for stages in (first, second)]
        found.append(_pair(7, f"of {int((~first.truth.crowd).sum())} objects found (right class, IoU 0.5)", *right))
    return found


def paired_detections(first: Stages, second: Stages, overlap: float = 0.5) -> np.ndarray:
    """Detections of two models that are the same: one class and an IoU of their boxes of at least `overlap`.

    The first model's best chooses first.

    Returns:
        (M, 2) int, rows of the first's and the second's detections.
    """
    iou = pairwise_iou(first.detections.boxes, second.detections.boxes)
    iou = np.where(first.detections.labels[:, None] == second.detections.labels[None], iou, -1.0)
    return _greedy(iou, overlap)


def objects_found(stages: Stages, overlap: float = 0.5) -> int:
    """Objects, no crowds, that a detection of their class finds; each detection finds one at most."""
    if stages.truth is None:
        raise ValueError("these stages have no truth: give `trace` the picture's Sample")
    real = ~stages.truth.crowd
    iou = pairwise_iou(stages.detections.boxes, stages.truth.boxes[real])
    iou = np.where(stages.detections.labels[:, None] == stages.truth.labels[real][None], iou, -1.0)
    return len(_greedy(iou, overlap))


def _greedy(iou: np.ndarray, overlap: float) -> np.ndarray:
    """Pairs (M, 2) of rows and columns: row by row the best column that is free."""
    free, found = np.ones(iou.shape[1], bool), []
    for row, values in enumerate(iou):
        open_to = np.where(free, values, -1.0)
        if len(open_to) and open_to.max() >= overlap:
            free[open_to.argmax()] = False
            found.append((row, int(open_to.argmax())))
    return np.array(found, int).reshape(-1, 2)


def _safe_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU, 1 where two boxes are the same even without area."""
    return np.where((boxes == others).all(axis=1), 1.0, aligned_iou(boxes, others))


def _safe_mask_iou(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of masks, 1 where both are empty."""
    return np.where((masks == others).all(axis=(1, 2)), 1.0, mask_iou(masks, others))


def _pair(stage: int, what: str, first: float, second: float) -> Difference:
    return Difference(stage, what, float(first), float(second), float(second) - float(first))


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else 0.0
