"""Pictures, objects and detections as COCO writes them; masks only as run lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from maskrcnn.evaluation.isolated import xywh

MIN_SCORE = 0.05  # of a detection that counts end to end
Rows = list[dict[str, Any]]


def encode_masks(masks: np.ndarray) -> Rows:
    """COCO run lengths, JSON ready, of masks (N, H, W) bool."""
    if not len(masks):
        return []
    rles = coco_mask.encode(np.asfortranarray(np.moveaxis(np.asarray(masks), 0, -1), dtype=np.uint8))
    return [{"size": [int(s) for s in rle["size"]], "counts": rle["counts"].decode("ascii")} for rle in rles]


class CocoRecords:
    """Collects the end-to-end half of a pass.

    A picture keeps its sample's id, a number or a text, where these tell all pictures apart; else they are numbered
    from 1.
    """

    def __init__(self) -> None:
        self._pictures: Rows = []
        self._objects: Rows = []
        self._boxes: Rows = []
        self._masks: Rows = []
        self._agnostic: Rows = []

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, sample, measured) -> None:
        """Adds a picture's objects, its detections from score 0.05 and its class-agnostic boxes likewise."""
        height, width = (int(s) for s in sample.image.shape[:2])
        picture = len(self._pictures)
        self._pictures.append(
            {"id": _json_id(sample.image_id), "height": height, "width": width, "file_name": sample.name}
        )
        objects = zip(
            xywh(sample.boxes).tolist(),
            encode_masks(sample.masks),
            sample.labels,
            sample.areas,
            sample.crowd,
            strict=True,
        )
        for box, rle, label, area, crowd in objects:
            self._objects.append(
                {
                    "id": len(self._objects) + 1,
                    "image_id": picture,
                    "category_id": int(label),
                    "bbox": box,
                    "segmentation": rle,
                    "area": float(area),
                    "iscrowd": int(crowd),
                }
            )

        found = measured.detections
        rows, boxes, scores = _countable(found.boxes, found.scores)
        rles = encode_masks(np.asarray(found.masks, bool)[rows]) if len(rows) else []
        for row, box, score, rle in zip(rows, boxes, scores, rles, strict=True):
            head = {"image_id": picture, "category_id": int(found.labels[row]), "score": score}
            self._boxes.append(head | {"bbox": box})
            self._masks.append(head | {"segmentation": rle})
        _, boxes, scores = _countable(measured.agnostic_boxes, measured.agnostic_scores)
        for box, score in zip(boxes, scores, strict=True):
            self._agnostic.append({"image_id": picture, "category_id": 1, "score": score, "bbox": box})

    def ground_truth(self, class_names) -> dict[str, Any]:
        """The pictures added so far in COCO's format, JSON ready."""
        return {
            "images": [row | {"id": i} for i, row in zip(self._ids(), self._pictures, strict=True)],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(class_names)],
            "annotations": self._numbered(self._objects),
        }

    def results(self) -> tuple[Rows, Rows, Rows]:
        """Box, mask and class-agnostic box detections in COCO's result format, JSON ready."""
        return self._numbered(self._boxes), self._numbered(self._masks), self._numbered(self._agnostic)

    def objects_of(self, label: int) -> int:
        """How many objects, crowds left out, have the label."""
        return sum(row["category_id"] == label and not row["iscrowd"] for row in self._objects)

    def _ids(self) -> list[int]:
        ids = [row["id"] for row in self._pictures]
        alike = len({type(i) for i in ids}) == 1  # pycocotools sorts them
        return ids if alike and len(set(ids)) == len(ids) else list(range(1, len(ids) + 1))

    def _numbered(self, rows: Rows) -> Rows:
        ids = self._ids()
        return [row | {"image_id": ids[row["image_id"]]} for row in rows]


def _json_id(image_id: Any) -> int | str:
    return str(image_id) if isinstance(image_id, str) else int(image_id)


def _countable(boxes, scores) -> tuple[np.ndarray, list[list[float]], list[float]]:
    """Rows of score >= MIN_SCORE with finite boxes, with these boxes (x, y, width, height) and scores."""
    boxes, scores = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(scores, np.float64)
    rows = np.flatnonzero((scores >= MIN_SCORE) & np.isfinite(boxes).all(axis=1))
    return rows, xywh(boxes[rows]).tolist(), scores[rows].tolist()
