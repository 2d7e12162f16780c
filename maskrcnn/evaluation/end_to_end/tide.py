"""The TIDE split of detection errors: what each kind of error costs in AP50.

Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors". Each false positive and
each missed object gets one kind. A kind's cost is the AP50 after an oracle has mended it alone, less the AP50
as it is. Matches and precision are those of `maskrcnn.evaluation.end_to_end.ap`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from maskrcnn.evaluation.end_to_end.ap import Matched, precision_curve, threshold_at
from maskrcnn.evaluation.measures import TIDE_ERRORS

FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1
_NAMES = tuple(TIDE_ERRORS)
CLASS, LOCALISATION, BOTH, DUPLICATE, BACKGROUND = range(5)
_RIGHT, _IGNORED = -1, -2  # instead of an error: a true positive; matched to a crowd


@dataclass(frozen=True)
class _Table:
    """All detections and all objects (crowds left out) of a data set, one row each, picture by picture."""

    category: np.ndarray  # (D,) index in the categories
    score: np.ndarray  # (D,)
    error: np.ndarray  # (D,) an error's number, _RIGHT or _IGNORED
    target: np.ndarray  # (D,) the object that a class or localisation error would be mended to, or -1
    object_category: np.ndarray  # (G,)
    found: np.ndarray  # (G,) bool


def tide(matched: Matched) -> dict[str, float]:
    """The cost of each kind of error.

    Where an oracle leaves a class without objects (all its misses forgiven), its AP is 1 if no false positive
    is left either, else 0: a network that finds nothing loses 1.0 to `missed`.

    Args:
        matched: from `maskrcnn.evaluation.end_to_end.ap.match`, boxes or masks.

    Returns:
        {"class", "localisation", "both", "duplicate", "background", "missed"} -> AP50 lost; NaN without
        objects.
    """
    table = _sort_errors(matched)
    everything = np.ones(len(table.object_category), bool)
    positive = table.error == _RIGHT
    kept = table.error != _IGNORED
    before = _ap50(table, table.category, positive, kept, everything)

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
        costs[name] = _ap50(table, category, right, keep, count) - before
    return costs


def _first_of_each_object(table, wrong):
    """(D,) bool: the wrong detections that an oracle makes true, the best of each object not yet found."""
    first = np.zeros(len(table.score), bool)
    rows = np.argsort(-table.score, kind="stable")
    rows = rows[wrong[rows] & (table.target[rows] >= 0)]
    rows = rows[~table.found[table.target[rows]]]
    first[rows[np.unique(table.target[rows], return_index=True)[1]]] = True
    return first


def _ap50(table, category, right, keep, count):
    """AP50 of these detections, right or wrong, and of the objects in `count`."""
    values = []
    for index in np.unique(table.object_category):
        rows = keep & (category == index)
        objects = np.count_nonzero(count & (table.object_category == index))
        curve = precision_curve(table.score[rows], right[None, rows], np.zeros((1, rows.sum()), bool), objects)
        if curve is not None:
            values.append(curve[0].mean())
        else:
            values.append(0.0 if rows.any() else 1.0)
    return float(np.mean(values)) if values else math.nan


def _sort_errors(matched: Matched) -> _Table:
    """The matches at IoU 0.5, and the kind of error of all other detections."""
    found, objects = matched.found, matched.objects
    at = threshold_at(FOREGROUND_IOU)
    mates, ignored = matched.mate[at], matched.ignored[at]
    right = (mates >= 0) & ~ignored
    is_found = np.zeros(len(objects), bool)
    is_found[mates[right]] = True
    error = np.where(ignored, _IGNORED, _RIGHT)
    target = np.full(len(found), -1)

    rows = np.argsort(found.picture, kind="stable")
    wanted = np.flatnonzero(~objects.crowd)
    wanted = wanted[np.argsort(objects.picture[wanted], kind="stable")]
    is_found, object_category = is_found[wanted], objects.category[wanted]
    pictures = np.unique(found.picture)
    (first, last), (start, end) = (
        (np.searchsorted(of, pictures), np.searchsorted(of, pictures, "right"))
        for of in (found.picture[rows], objects.picture[wanted])
    )
    for a, b, c, d in zip(first.tolist(), last.tolist(), start.tolist(), end.tolist(), strict=True):
        wrong = rows[a:b][(mates[rows[a:b]] < 0) & ~ignored[rows[a:b]]]
        if c == d:
            error[wrong] = BACKGROUND
        elif len(wrong):
            ious = coco_mask.iou(found.of(wrong), objects.of(wanted[c:d]), [0] * (d - c))
            same = found.category[wrong][:, None] == object_category[c:d]
            error[wrong], mended = _kinds_of_error(ious, same, is_found[c:d])
            target[wrong] = np.where(mended >= 0, mended + c, -1)
    return _Table(found.category[rows], found.score[rows], error[rows], target[rows], object_category, is_found)


def _kinds_of_error(ious, same, found):
    """False positives' errors (D,) and objects (D,), or -1; where several fit, the first that is tested.

    Args:
        ious: (D, G) with all objects of the picture; same: (D, G) bool, of one category; found: (G,) bool.
    """
    own, other = np.where(same, ious, -1.0), np.where(same, -1.0, ious)
    best, best_other = own.max(axis=1), other.max(axis=1)
    near = (best >= BACKGROUND_IOU) & (best < FOREGROUND_IOU)
    again = np.where(found, own, -1.0).max(axis=1) >= FOREGROUND_IOU
    tested = [near, best_other >= FOREGROUND_IOU, again, ious.max(axis=1) <= BACKGROUND_IOU]
    error = np.select(tested, [LOCALISATION, CLASS, DUPLICATE, BACKGROUND], BOTH)
    target = np.select(tested[:2], [own.argmax(axis=1), other.argmax(axis=1)], -1)
    return error, target
