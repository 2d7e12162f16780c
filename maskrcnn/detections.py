"""What a model finds in a picture, and what it answers when it is measured."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Detections:
    """What was found in one picture, best first, in its own pixels.

    Attributes:
        boxes: (N, 4) float32 xyxy.
        labels: (N,) int32, from 1: positions in the config's `class_names`.
        scores: (N,) float32.
        masks: (N, H, W) bool.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    masks: np.ndarray

    def __len__(self):
        return len(self.scores)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a model answers about one picture and a set of boxes given with it, in the picture's pixels.

    Attributes:
        proposals: (P, 4) float32 xyxy, best first; proposal_scores: (P,) float32 in [0, 1].
        detections: Detections above the config's `detection_min_score`.
        agnostic_boxes: (A, 4), agnostic_scores: (A,): detections whatever their class.
        class_probs: (K, C + 1) of the given boxes, background first.
        refined_boxes: (K, C + 1, 4): where each class would move the given boxes.
        mask_probs: (M, 28, 28, C) of the given mask boxes; channel c is label c + 1.
    """

    proposals: np.ndarray
    proposal_scores: np.ndarray
    detections: Detections
    agnostic_boxes: np.ndarray
    agnostic_scores: np.ndarray
    class_probs: np.ndarray
    refined_boxes: np.ndarray
    mask_probs: np.ndarray
