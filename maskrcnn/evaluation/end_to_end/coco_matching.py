"""Which detection finds which object: pycocotools' rule, for all pictures and thresholds at once.

Going by category and picture, each detection, best first, takes the object that it overlaps most of those that are
free. pycocotools asks this in Python for every picture, category, size and threshold. Here one round decides about the
first detection of every picture and category, the next about the second, and only about those that overlap an object
enough for the lowest threshold. IoUs are pycocotools' own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from maskrcnn.evaluation.end_to_end.coco_tables import CocoTable

_HIGHEST = 1 - 1e-10  # pycocotools' own: a threshold of 1 is met by a perfect detection, whatever is rounded


class Overlaps(NamedTuple):
    """Pairs of a detection and an object of its picture and category, by detection.

    Attributes:
        found, wanted: (P,) int64, rows of the tables of detections and objects.
        iou: (P,) float64.
        turn: (P,) int64, number of the detection among those of its picture and category that are in a pair.
    """

    found: np.ndarray
    wanted: np.ndarray
    iou: np.ndarray
    turn: np.ndarray


def overlaps(found: CocoTable, objects: CocoTable, pictures: int, least: float) -> Overlaps:
    """The pairs that overlap by an IoU of at least `least`; with a crowd, by that share of the detection."""
    keys = found.key(pictures), objects.key(pictures)
    shared = np.intersect1d(*keys)
    (first, last), (start, end) = ((np.searchsorted(k, shared), np.searchsorted(k, shared, "right")) for k in keys)
    rows, columns, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for a, b, c, d in zip(first.tolist(), last.tolist(), start.tolist(), end.tolist(), strict=True):
        ious = coco_mask.iou(found.of(slice(a, b)), objects.of(slice(c, d)), objects.crowd[c:d])
        row, column = np.nonzero(ious >= least)
        rows.append(row + a)
        columns.append(column + c)
        values.append(ious[row, column])
    row = np.concatenate(rows)
    key = keys[0][row]
    place = np.cumsum(np.diff(row, prepend=-1) > 0)  # of a detection among all that are in a pair
    first_place = np.maximum.accumulate(np.where(np.diff(key, prepend=-1) > 0, place, 0))
    return Overlaps(row, np.concatenate(columns), np.concatenate(values), place - first_place)


def mates(
    pairs: Overlaps, ignored: np.ndarray, crowd: np.ndarray, detections: int, thresholds: np.ndarray
) -> np.ndarray:
    """The object that each detection finds at each threshold.

    Args:
        pairs: whose IoU reaches the lowest threshold.
        ignored: (G,) bool, objects that are taken only where no other is left: crowds, and those of another size.
        crowd: (G,) bool, objects that many detections may find.
        detections: their number D.
        thresholds: (T,) IoUs.

    Returns:
        (T, D) int32, rows of the objects' table, or -1.
    """
    # Of a detection's pairs the first that is free is the one; of equals the last object.
    order = np.lexsort((-pairs.wanted, -pairs.iou, ignored[pairs.wanted], pairs.found, pairs.turn))
    found, wanted, iou, turn = (column[order] for column in pairs)
    least = np.minimum(thresholds, _HIGHEST)[:, None]
    chosen = np.full((len(thresholds), detections), -1, np.int32)
    taken = np.zeros((len(thresholds), len(ignored)), bool)
    ends = np.searchsorted(turn, np.arange(turn.max(initial=-1) + 2)).tolist()
    for first, last in zip(ends, ends[1:], strict=False):
        d, g = found[first:last], wanted[first:last]
        free = (iou[first:last] >= least) & (crowd[g] | ~taken[:, g])
        starts = np.flatnonzero(np.diff(d, prepend=-1))
        place = np.minimum.reduceat(np.where(free, np.arange(len(d)), len(d)), starts, axis=1)
        at, which = np.nonzero(place < len(d))
        mate = g[place[at, which]]
        chosen[at, d[starts[which]]] = mate
        taken[at, mate] = True
    return chosen
