"""Pictures, objects and detections as COCO writes them; masks only as run lengths."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from maskrcnn.evaluation.end_to_end.mask_runs import Rows, runs_of_detections, runs_of_objects
from maskrcnn.evaluation.isolated import xywh

MIN_SCORE = 0.05  # of a detection that counts end to end


class _Boxes(NamedTuple):
    """What belongs to one picture, an entry for each box."""

    labels: list[int]
    boxes: list[list[float]]  # (x, y, width, height) px
    values: list[float]  # a detection's score, an object's area
    runs: Rows


class CocoRecords:
    """Collects the end-to-end half of a pass.

    A picture keeps its sample's id, a number or a text, where these tell all pictures apart; else they are numbered
    from 1.
    """

    def __init__(self) -> None:
        self._pictures: Rows = []
        self._objects: list[_Boxes] = []
        self._crowds: list[list[int]] = []
        self._found: list[_Boxes] = []
        self._agnostic: list[_Boxes] = []

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, sample, measured, runs: Rows | None = None) -> None:
        """Adds a picture's objects, its detections from score 0.05 and its class-agnostic boxes likewise.

        Args:
            sample: the picture.
            measured: what a model answers about it.
            runs: run lengths of its objects' masks, if they are known.
        """
        height, width = (int(s) for s in sample.image.shape[:2])
        self._pictures.append(
            {"id": _json_id(sample.image_id), "height": height, "width": width, "file_name": sample.name}
        )
        runs = runs_of_objects(sample.cut_masks) if runs is None else runs
        areas = np.asarray(sample.areas, np.float64).tolist()
        self._objects.append(_Boxes(_whole(sample.labels), xywh(sample.boxes).tolist(), areas, runs))
        self._crowds.append(_whole(sample.crowd))

        found = measured.detections
        rows, boxes, scores = _countable(found.boxes, found.scores)
        masks = [np.asarray(found.masks[row], bool) for row in rows]
        runs = runs_of_detections(masks, np.asarray(found.boxes)[rows])
        self._found.append(_Boxes(_whole(np.asarray(found.labels)[rows]), boxes, scores, runs))
        _, boxes, scores = _countable(measured.agnostic_boxes, measured.agnostic_scores)
        self._agnostic.append(_Boxes([1] * len(boxes), boxes, scores, []))

    def ground_truth(self, class_names) -> dict[str, Any]:
        """The pictures added so far in COCO's format, JSON ready."""
        ids = self._ids()
        annotations: Rows = []
        for picture, of, crowds in zip(ids, self._objects, self._crowds, strict=True):
            for label, box, area, runs, crowd in zip(of.labels, of.boxes, of.values, of.runs, crowds, strict=True):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": picture,
                        "category_id": label,
                        "bbox": box,
                        "segmentation": runs,
                        "area": area,
                        "iscrowd": crowd,
                    }
                )
        return {
            "images": [row | {"id": i} for i, row in zip(ids, self._pictures, strict=True)],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(class_names)],
            "annotations": annotations,
        }

    def results(self) -> tuple[Rows, Rows, Rows]:
        """Box, mask and class-agnostic box detections in COCO's result format, JSON ready."""
        ids = self._ids()

        def rows(of: list[_Boxes], key: str, column: str) -> Rows:
            return [
                {"image_id": picture, "category_id": label, "score": score, key: shape}
                for picture, one in zip(ids, of, strict=True)
                for label, score, shape in zip(one.labels, one.values, getattr(one, column), strict=True)
            ]

        boxes, masks = rows(self._found, "bbox", "boxes"), rows(self._found, "segmentation", "runs")
        return boxes, masks, rows(self._agnostic, "bbox", "boxes")

    def objects_of(self, label: int) -> int:
        """How many objects, crowds left out, have the label."""
        return sum(
            one == label and not crowd
            for of, crowds in zip(self._objects, self._crowds, strict=True)
            for one, crowd in zip(of.labels, crowds, strict=True)
        )

    def _ids(self) -> list[int]:
        ids = [row["id"] for row in self._pictures]
        alike = len({type(i) for i in ids}) == 1  # they are sorted
        return ids if alike and len(set(ids)) == len(ids) else list(range(1, len(ids) + 1))


def _whole(values: Any) -> list[int]:
    return np.asarray(values).astype(int).tolist()


def _json_id(image_id: Any) -> int | str:
    return str(image_id) if isinstance(image_id, str) else int(image_id)


def _countable(boxes, scores) -> tuple[np.ndarray, list[list[float]], list[float]]:
    """Rows of score >= MIN_SCORE with finite boxes, with these boxes (x, y, width, height) and scores."""
    boxes, scores = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(scores, np.float64)
    rows = np.flatnonzero((scores >= MIN_SCORE) & np.isfinite(boxes).all(axis=1))
    return rows, xywh(boxes[rows]).tolist(), scores[rows].tolist()
