import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from maskrcnn import Detections
from maskrcnn.export import file_difference


def detections(scores, shift=0.0, labels=None):
    corners = np.arange(len(scores))[:, None] * np.float32([[12, 0]]) + shift
    boxes = np.concatenate([corners, corners + 10], axis=1).astype("float32")
    masks = np.zeros((len(scores), 30, 60), bool)
    for row, mask in enumerate(masks):
        mask[:10, 12 * row : 12 * row + 10] = True
    labels = np.ones(len(scores), np.int32) if labels is None else np.int32(labels)
    return Detections(boxes, labels, np.float32(scores), masks, ("a", "b"))


def compared(ours, theirs, most=100):
    model = SimpleNamespace(detect=lambda image, least, most: ours)
    file = SimpleNamespace(
        sidecar={"score_threshold": 0.05, "max_detections": most}, fitted=lambda image: image,
        detect=lambda image: theirs,
    )  # fmt: skip
    return file_difference(file, model, [np.zeros((30, 60, 3), np.uint8)])


def test_equal_detections_are_the_same():
    found = compared(detections([0.9, 0.7, 0.2]), detections([0.9, 0.7, 0.2]))
    assert dataclasses.astuple(found) == (1, 3, 3, 2, 2, 0.0, 0.0, 1.0)


def test_what_moved_scored_otherwise_or_is_of_another_class_is_not():
    ours = detections([0.9, 0.8, 0.7, 0.6])
    moved = detections([0.9, 0.8, 0.7, 0.6], shift=1.5)
    assert compared(ours, moved).same == 0 and compared(ours, moved).box_px == 1.5
    assert compared(ours, detections([0.9, 0.8, 0.7, 0.6], shift=0.9)).same == 4
    scored = compared(ours, detections([0.93, 0.8, 0.7, 0.605]))
    assert scored.same == scored.sure_same == 3 and scored.score == pytest.approx(0.03, abs=1e-6)
    assert compared(ours, detections([0.9, 0.8, 0.7, 0.6], labels=[1, 2, 1, 1])).same == 3
    assert compared(ours, detections([])).same == 0 and np.isnan(compared(ours, detections([])).box_px)


def test_what_the_limit_may_cut_off_does_not_count():
    assert compared(detections([0.9, 0.055]), detections([0.9])).detections == 1  # just above the threshold of 0.05
    assert compared(detections([0.9, 0.5, 0.305]), detections([0.9, 0.5, 0.3]), most=3).detections == 2
    assert compared(detections([0.9, 0.5, 0.4]), detections([0.9, 0.5]), most=100).same == 2
