"""Objects and detections of all pictures as columns, in the order in which pycocotools goes through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

_AT_ONCE = 255  # masks whose pixels are counted together: pycocotools refuses more


@dataclass(frozen=True)
class CocoTable:
    """Rows of a COCO file, sorted by category, then picture; within these as `sort_scores` says, or as they came.

    Attributes:
        row: (N,) int64, position in the file.
        category, picture: (N,) int64, positions in the sorted ids of categories and pictures.
        score: (N,) float64; 0 for objects.
        area: (N,) float64, px.
        crowd: (N,) bool; False for detections.
        shapes: (N, 4) float64 boxes (x, y, width, height) px, or N compressed run lengths.
    """

    row: np.ndarray
    category: np.ndarray
    picture: np.ndarray
    score: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    shapes: Any

    def __len__(self) -> int:
        return len(self.row)

    def key(self, pictures: int) -> np.ndarray:
        """(N,) int64, the same for rows of one category and picture, and rising."""
        return self.category * pictures + self.picture

    def of(self, rows: np.ndarray | slice) -> Any:
        """The shapes at some rows."""
        if isinstance(self.shapes, np.ndarray):
            return self.shapes[rows]
        return self.shapes[rows] if isinstance(rows, slice) else [self.shapes[i] for i in rows.tolist()]


def objects_table(ground_truth: dict[str, Any], kind: str) -> CocoTable:
    """The objects of a COCO dictionary, crowds too.

    Args:
        ground_truth: has images, categories and annotations.
        kind: "bbox" or "segm", what their shapes are.
    """
    rows = ground_truth["annotations"]
    category, picture = _positions(rows, ground_truth)
    order = np.lexsort((picture, category))  # stable: as they came
    return CocoTable(
        order,
        category[order],
        picture[order],
        np.zeros(len(rows)),
        np.array([row["area"] for row in rows], np.float64)[order],
        np.array([bool(row["iscrowd"]) for row in rows], bool)[order],
        _shapes(rows, order, kind),
    )


def detections_table(
    ground_truth: dict[str, Any], results: Sequence[dict[str, Any]], kind: str, most: int
) -> CocoTable:
    """The detections that count: of a picture and category the best, best first.

    Args:
        ground_truth: has images and categories.
        results: rows of a COCO results file.
        kind: "bbox" or "segm", what their shapes are.
        most: number of them that count.

    Raises:
        ValueError: a detection of a picture or category that the ground truth does not have.
    """
    category, picture = _positions(results, ground_truth)
    score = np.array([row["score"] for row in results], np.float64)
    order = np.lexsort((-score, picture, category))
    key = category[order] * len(ground_truth["images"]) + picture[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    rank = np.arange(len(key)) - np.repeat(first, np.diff(first, append=len(key)))
    order = order[rank < most]
    shapes = _shapes(results, order, kind)
    return CocoTable(
        order, category[order], picture[order], score[order], _areas(shapes), np.zeros(len(order), bool), shapes
    )


def _positions(rows, ground_truth) -> tuple[np.ndarray, np.ndarray]:
    """Each row's category and picture, as positions among the sorted ids."""
    columns = []
    for key, known in (("category_id", "categories"), ("image_id", "images")):
        place = {one: i for i, one in enumerate(sorted({entry["id"] for entry in ground_truth[known]}))}
        try:
            columns.append(np.array([place[row[key]] for row in rows], np.int64))
        except KeyError as error:
            raise ValueError(f"{key} {error} is not among the {len(place)} {known} of the ground truth") from None
    return columns[0], columns[1]


def _shapes(rows, order, kind) -> Any:
    if kind == "bbox":
        return np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)[order]
    return [rows[i]["segmentation"] for i in order.tolist()]


def _areas(shapes) -> np.ndarray:
    if isinstance(shapes, np.ndarray):
        return shapes[:, 2] * shapes[:, 3]
    some = [coco_mask.area(shapes[i : i + _AT_ONCE]) for i in range(0, len(shapes), _AT_ONCE)]
    return np.concatenate([np.zeros(0), *some])
