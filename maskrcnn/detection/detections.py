"""What a model finds in a picture, and what it answers when it is measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image


@dataclasses.dataclass(frozen=True)
class Detections:
    """What was found in one picture, best first, in its own pixels.

    Attributes:
        boxes: (N, 4) float32 xyxy.
        labels: (N,) int32, from 1: positions in the config's `class_names`.
        scores: (N,) float32.
        masks: (N, H, W) bool.
        class_names: of the labels, in order.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    masks: np.ndarray
    class_names: tuple[str, ...] = ()

    def __len__(self):
        return len(self.scores)

    @property
    def names(self) -> list[str]:
        """The class of each detection."""
        return [self._named()[label - 1] for label in self.labels.tolist()]

    def draw(self, image: np.ndarray) -> Image.Image:
        """A copy of the picture (H, W, 3) uint8 RGB with boxes, masks, names and scores: see `drawing`."""
        from maskrcnn.detection.drawing import draw_detections

        return draw_detections(image, self, self._named())

    def to_coco(self, image_id: Any = None, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Rows of a COCO results file, masks as run lengths (RLE), ready for `json.dump`.

        Args:
            image_id: written into every row; left out if None.
            category_ids: of the classes, in the order of `class_names`; None: the labels themselves.
        """
        from maskrcnn.data import coco_results

        ids = range(1, 1 + int(self.labels.max(initial=0))) if category_ids is None else category_ids
        rows = list(coco_results(image_id, self, ids))
        if image_id is None:
            for row in rows:
                del row["image_id"]
        return rows

    def to_polygons(self) -> list[list[np.ndarray]]:
        """The outlines of each mask, holes too: lists of (K, 2) float32 corners (x, y) px: see `contours`."""
        from maskrcnn.detection.contours import contours

        return [contours(mask) for mask in self.masks]

    def _named(self) -> tuple[str, ...]:
        if len(self.labels) and len(self.class_names) < self.labels.max():
            raise ValueError(
                f"class_names={self.class_names!r} has no name for label {self.labels.max()}: make these Detections "
                "with the names of their classes"
            )
        return self.class_names


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a model answers about one picture and a set of boxes given with it, in the picture's pixels.

    Attributes:
        proposals: (P, 4) float32 xyxy, best first; proposal_scores: (P,) float32 in [0, 1].
        detections: Detections above the config's `detection_min_score`.
        agnostic_boxes: (A, 4), agnostic_scores: (A,): detections whatever their class.
        class_probs: (K, C + 1) of the given boxes, background first.
        refined_boxes: (K, C + 1, 4): where each class would move the given boxes.
        mask_probs: (M, 28, 28, C) of the given mask boxes; channel c is label c + 1. None: the model has no masks.
    """

    proposals: np.ndarray
    proposal_scores: np.ndarray
    detections: Detections
    agnostic_boxes: np.ndarray
    agnostic_scores: np.ndarray
    class_probs: np.ndarray
    refined_boxes: np.ndarray
    mask_probs: np.ndarray | None
