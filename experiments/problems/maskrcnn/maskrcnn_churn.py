"""What a Mask R-CNN answered on each picture, and which detections are others than the dense network's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.sample_answers import Answers, Tally
from maskrcnn.box_overlap import pairwise_iou

MIN_SCORE = 0.5  # of a detection that one would show
MIN_IOU = 0.5
SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, np.inf)}  # COCO's areas, px
COLUMNS = {
    "churn_bbox_lost": f"share of the dense network's detections (score {MIN_SCORE} and above) that have no "
    f"counterpart here, matched one to one by box IoU {MIN_IOU} and above, the largest first",
    "churn_bbox_gained": "detections here without a counterpart there, as a share of the dense network's",
    **{f"churn_bbox_lost_{size}": f"churn_bbox_lost of the {size} ones (COCO's areas, of the dense network's box)"
       for size in SIZES},
    "churn_class_relabelled": "share of the dense network's detections whose counterpart here has another class",
    "churn_bbox_moved": "1 minus the mean IoU of detections with their counterparts",
}


def kept_answers(evaluation: Any, class_names: Sequence[str]) -> Answers:
    """What `Problem.evaluate_with_answers` keeps of an evaluation.

    The tallies are those of the isolated measures; beside them stand box AP and mask AP, of all and of each class.

    Args:
        evaluation: of `maskrcnn.evaluation.evaluate_in_detail`.
        class_names: of the labels from 1 on.
    """
    names = ("background", *class_names)
    tallies = {
        task: Tally(counted, of, names if task == "class" else ())
        for task, (counted, of) in evaluation.by_picture.items()
    }
    pictures = {image["id"]: number for number, image in enumerate(evaluation.ground_truth["images"])}
    shown = [row for row in evaluation.box_results if row["score"] >= MIN_SCORE]
    boxes = np.array([row["bbox"] for row in shown], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    found = {
        "picture": np.array([pictures[row["image_id"]] for row in shown], np.int32),
        "label": np.array([row["category_id"] for row in shown], np.int32),
        "box": boxes,
    }
    ranked = {f"{task}_ap": one for task, one in evaluation.ranked.items()}
    by_class = {
        column: {name: of[column] for name, of in evaluation.per_class.items()}
        for column in ("objects", "bbox_ap", "mask_ap")
    }
    return Answers(tallies, found, ranked, by_class)


def churn(
    dense: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray], class_names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Detections lost, gained, relabelled and moved, as shares of the dense network's; NaN where that finds nothing.

    Those lost also by the size of the dense network's box, and lost and relabelled ones by its class.

    Args:
        dense, now: "picture" (N,), "label" (N,) and "box" (N, 4) xyxy of shown detections, best first in a picture.
        class_names: of the labels from 1 on.
    """
    total = len(dense["picture"])
    pairs: list[tuple[int, int, float]] = []
    for picture in np.intersect1d(dense["picture"], now["picture"]):
        before, after = (np.flatnonzero(one["picture"] == picture) for one in (dense, now))
        pairs += [
            (before[i], after[j], iou) for i, j, iou in matched(pairwise_iou(dense["box"][before], now["box"][after]))
        ]
    lost, relabelled = np.ones(total, bool), np.zeros(total, bool)
    for i, j, _ in pairs:
        lost[i], relabelled[i] = False, dense["label"][i] != now["label"][j]
    areas = np.prod(dense["box"][:, 2:] - dense["box"][:, :2], axis=1)
    of_class = {name: dense["label"] == label for label, name in enumerate(class_names, 1)}
    return {
        "bbox": {
            "lost": _share(lost),
            "gained": (len(now["picture"]) - len(pairs)) / total if total else np.nan,
            "moved": 1 - float(np.mean([iou for *_, iou in pairs])) if pairs else np.nan,
            **{f"lost_{size}": _share(lost[(areas >= low) & (areas < high)]) for size, (low, high) in SIZES.items()},
            "lost_by_class": {name: _share(lost[its]) for name, its in of_class.items()},
        },
        "class": {
            "relabelled": _share(relabelled),
            "relabelled_by_class": {name: _share(relabelled[its]) for name, its in of_class.items()},
        },
    }


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else np.nan


def matched(ious: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of rows and columns of (N, M) IoUs, one to one, the largest IoU first, down to MIN_IOU."""
    free, pairs = np.array(ious, float), []
    while free.size and free.max() >= MIN_IOU:
        i, j = (int(place) for place in np.unravel_index(free.argmax(), free.shape))
        pairs.append((i, j, float(free[i, j])))
        free[i, :] = free[:, j] = -1.0
    return pairs
