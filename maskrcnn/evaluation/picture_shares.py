"""What each picture adds to the isolated measures, so that pictures can be drawn again without a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskrcnn.evaluation.probe import ImageProbes

Shares = tuple[np.ndarray, np.ndarray]


def per_picture(
    probes: Sequence[ImageProbes],
    found: Sequence[float],
    refined: Sequence[np.ndarray],
    probabilities: Sequence[np.ndarray],
    overlaps: Sequence[tuple[np.ndarray, ...]],
) -> dict[str, Shares]:
    """Sums of each picture: the isolated measure is the sum over pictures of the first over that of the second.

    Args:
        probes: of the N pictures.
        found: objects that each picture's best 100 proposals find, a mean over the IoU thresholds.
        refined: IoUs of each picture's refined boxes.
        probabilities: (K, C + 1) of each picture's probe boxes.
        overlaps: of each picture with objects, mask IoU (M,) first; none for a model without masks.

    Returns:
        "proposal" (AR@100), "bbox" (refined IoU) and "mask" (IoU): float64 (N, 1) and (N, 1); "class" (accuracy, the
        mean over classes of the quotients, background first): (N, C + 1) and (N, C + 1).
    """
    objects = np.array([len(one.mask_boxes) for one in probes], float)
    classes = max((p.shape[1] for p in probabilities), default=1)
    right, asked = np.zeros((len(probes), classes)), np.zeros((len(probes), classes))
    for number, (one, answers) in enumerate(zip(probes, probabilities, strict=True)):
        correct = np.nan_to_num(answers, nan=0.0).argmax(axis=1) == one.labels if len(answers) else []
        np.add.at(asked[number], one.labels, 1)
        np.add.at(right[number], one.labels, correct)
    ious = np.zeros(len(probes))
    if overlaps:
        ious[objects > 0] = [np.sum(values[0]) for values in overlaps]
    return {
        "proposal": (np.array(found, float)[:, None], objects[:, None]),
        "bbox": (np.array([[np.sum(v)] for v in refined], float), np.array([[len(v)] for v in refined], float)),
        "class": (right, asked),
        "mask": (ious[:, None], objects[:, None]),
    }
