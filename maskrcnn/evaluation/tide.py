"""The TIDE split of detection errors: what each kind of error costs in AP50.

Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors". Each false positive and
each missed object gets one kind. A kind's cost is the AP50 after an oracle has mended it alone, less the AP50
as it is. Matches and precision are pycocotools' own.
"""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.cocoeval import COCOeval, Params

from maskrcnn.evaluation.measures import TIDE_ERRORS

FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1
_NAMES = tuple(TIDE_ERRORS)
CLASS, LOCALISATION, BOTH, DUPLICATE, BACKGROUND = range(5)
_RIGHT, _IGNORED = -1, -2  # instead of an error: a true positive; matched to a crowd


@dataclass(frozen=True)
class _Table:
    """All detections and all objects (crowds left out) of a data set, one row each."""

    category: np.ndarray  # (D,) index in the categories
    score: np.ndarray  # (D,)
    error: np.ndarray  # (D,) an error's number, _RIGHT or _IGNORED
    target: np.ndarray  # (D,) the object that a class or localisation error would be mended to, or -1
    object_category: np.ndarray  # (G,)
    found: np.ndarray  # (G,) bool


def tide(run: COCOeval) -> dict[str, float]:
    """The cost of each kind of error.

    Where an oracle leaves a class without objects (all its misses forgiven), its AP is 1 if no false positive
    is left either, else 0: a network that finds nothing loses 1.0 to `missed`.

    Args:
        run: a `COCOeval` from `maskrcnn.evaluation.ap.match`, boxes or masks.

    Returns:
        {"class", "localisation", "both", "duplicate", "background", "missed"} -> AP50 lost; NaN without
        objects.
    """
    table = _sort_errors(run)
    classes = len(run.params.catIds)
    everything = np.ones(len(table.object_category), bool)
    positive = table.error == _RIGHT
    kept = table.error != _IGNORED
    before = _ap50(table, table.category, positive, kept, everything, classes)

    costs = {}
    for number, name in enumerate(_NAMES):
        category, right, keep, count = table.category.copy(), positive.copy(), kept.copy(), everything
        if name == "missed":
            mendable = np.zeros(len(everything), bool)
            mendable[table.target[table.target >= 0]] = True
            count = table.found | mendable
        else:
            wrong = table.error == number
            mended = _first_of_each_object(table, wrong)
            keep &= ~wrong | mended
            right |= mended
            category[mended] = table.object_category[table.target[mended]]
        costs[name] = _ap50(table, category, right, keep, count, classes) - before
    return costs


def _first_of_each_object(table, wrong):
    """(D,) bool: the wrong detections that an oracle makes true, the best of each object not yet found."""
    first = np.zeros(len(table.score), bool)
    taken = table.found.copy()
    for row in np.argsort(-table.score, kind="stable"):
        target = table.target[row]
        if wrong[row] and target >= 0 and not taken[target]:
            taken[target] = first[row] = True
    return first


def _ap50(table, category, right, keep, count, classes):
    """AP50 by pycocotools' accumulation of ready-made matches: one picture that holds everything."""
    run = COCOeval()
    run.params = Params("bbox")
    run.params.iouThrs = np.array([FOREGROUND_IOU])
    run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
    run.params.maxDets = [len(table.score) + 1]
    run.params.imgIds, run.params.catIds = [1], list(range(classes))
    run._paramsEval = run.params
    run.evalImgs = []
    for index in range(classes):
        rows = keep & (category == index)
        run.evalImgs.append(
            {
                "dtScores": table.score[rows],
                "dtMatches": right[rows][None].astype(float),
                "dtIgnore": np.zeros((1, rows.sum()), bool),
                "gtIgnore": np.zeros(np.count_nonzero(count & (table.object_category == index))),
            }
        )
    with contextlib.redirect_stdout(io.StringIO()):
        run.accumulate()
    precision = run.eval["precision"][0, :, :, 0, 0]
    values = []
    for index in np.unique(table.object_category):
        if precision[0, index] > -1:
            values.append(precision[:, index].mean())
        else:
            values.append(0.0 if (keep & (category == index)).any() else 1.0)
    return float(np.mean(values)) if values else math.nan


def _sort_errors(run):
    """The `_Table` of a run: matches at IoU 0.5, and the kind of error of all other detections."""
    params = run.params
    at = int(np.argmin(np.abs(params.iouThrs - FOREGROUND_IOU)))
    pictures, areas, everything = params.imgIds, len(params.areaRng), params.areaRngLbl.index("all")
    rows, objects = [], []  # per picture
    offset = 0
    for i, picture in enumerate(pictures):
        entries = [
            run.evalImgs[(k * areas + everything) * len(pictures) + i] for k in range(len(params.catIds))
        ]
        truth = [(k, gt) for k, category in enumerate(params.catIds) for gt in run._gts[picture, category]]
        truth = [(k, gt) for k, gt in truth if not gt["ignore"]]
        categories = np.array([k for k, _ in truth], int)
        number_of = {gt["id"]: offset + n for n, (_, gt) in enumerate(truth)}
        found = np.zeros(len(truth), bool)
        matched = []
        for k, entry in enumerate(entries):
            if entry is None:
                continue
            for d, identity in enumerate(entry["dtIds"]):
                matched.append((k, identity, entry["dtMatches"][at, d], bool(entry["dtIgnore"][at, d])))
        for _, _, mate, ignored in matched:
            if mate and not ignored:
                found[number_of[int(mate)] - offset] = True
        if matched:
            shape = "segmentation" if params.iouType == "segm" else "bbox"
            shapes = [run.cocoDt.anns[identity][shape] for _, identity, _, _ in matched]
            ious = coco_mask.iou(shapes, [gt[shape] for _, gt in truth], [0] * len(truth)) if truth else None
            for n, (k, identity, mate, ignored) in enumerate(matched):
                error, target = (_IGNORED, -1) if ignored else (_RIGHT, -1)
                if not ignored and not mate:
                    error, target = _kind_of_error(None if ious is None else ious[n], categories, k, found)
                target = target + offset if target >= 0 else -1
                rows.append((k, run.cocoDt.anns[identity]["score"], error, target))
        objects.extend(zip(categories, found, strict=True))
        offset += len(truth)
    columns = np.array(rows, float).reshape(-1, 4).T
    category, found = np.array(objects, int).reshape(-1, 2).T
    return _Table(
        columns[0].astype(int),
        columns[1],
        columns[2].astype(int),
        columns[3].astype(int),
        category,
        found.astype(bool),
    )


def _kind_of_error(ious, categories, category, found):
    """A false positive's (error, object or -1); where several fit, the first that is tested."""
    if ious is None:
        return BACKGROUND, -1
    own = np.where(categories == category, ious, -1.0)
    other = np.where(categories != category, ious, -1.0)
    if BACKGROUND_IOU <= own.max() < FOREGROUND_IOU:
        return LOCALISATION, int(own.argmax())
    if other.max() >= FOREGROUND_IOU:
        return CLASS, int(other.argmax())
    if np.where(found, own, -1.0).max() >= FOREGROUND_IOU:
        return DUPLICATE, -1
    if ious.max() <= BACKGROUND_IOU:
        return BACKGROUND, -1
    return BOTH, -1
