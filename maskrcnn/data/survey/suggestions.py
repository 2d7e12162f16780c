"""A picture size and anchors that fit a data set's objects, and what they reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..resize import resized_size
from .overview import Overview

STRIDES = (4, 8, 16, 32, 64)  # of the five levels
LEAST_SIDE = 24.0  # px: a smaller object covers less than two cells of the level at stride 16 in each direction
SMALL_SHARE = 0.1  # of the objects may be smaller
STEP, SMALLEST, LARGEST = 64, 256, 1024  # px of the longer side
FIRST_ANCHORS = (4, 6, 8, 12, 16, 24, 32, 48, 64)
RATIOS: tuple[tuple[float, ...], ...] = ((0.5, 1.0, 2.0), (0.33, 1.0, 3.0), (0.25, 0.5, 1.0, 2.0, 4.0))
WORTH = 0.03  # more of the objects reached, for which more or other ratios are taken
_MOST = 20_000  # objects that anchors are tried on
_CANONICAL = 224 / 128  # canonical size over P4's anchor, as in the paper


@dataclass(frozen=True)
class Suggestion:
    """Fields of a `MaskRCNNConfig` that follow from the objects.

    Attributes:
        fields: name -> value: min_size, max_size, anchor_sizes, anchor_ratios, roi_canonical_size, max_instances,
            detections_per_image.
        reached: share of the objects with an anchor of IoU 0.5 or more.
        small: share of the objects below `LEAST_SIDE` px at that size.
        before: share reached by the sizes and ratios of a `MaskRCNNConfig` that says nothing of them.
    """

    fields: dict[str, Any]
    reached: float
    small: float
    before: float


def suggest(found: Overview, *others: Overview) -> Suggestion:
    """The smallest picture in which at most a tenth of the objects is below 24 px, and five anchor sizes that double.

    Of `FIRST_ANCHORS`, and three sets of ratios, those are taken with which objects have the highest IoU with their
    best anchor, on the mean; other ratios than the first only where they reach 3 % more of the objects.

    Args:
        found: of the training pictures; needs an object.
        others: of the pictures that will be measured; only how many objects they have counts.

    Raises:
        ValueError: there is no object.
    """
    if not len(found.boxes):
        raise ValueError("there is no object: nothing can be suggested")
    height, width = (int(side) for side in np.median(found.sizes, axis=0))
    longest = _picture_size(found)
    shorter = max(STEP, round(longest * min(height, width) / max(height, width) / STEP) * STEP)
    boxes = _resized(found, shorter, longest)
    tried = np.random.default_rng(0).permutation(len(boxes))[:_MOST]
    chosen: tuple[tuple[float, ...], tuple[float, ...], float] | None = None
    for ratios in RATIOS:
        means = {first: best_overlap(boxes[tried], _doubled(first), ratios) for first in FIRST_ANCHORS}
        first = max(means, key=lambda one: (means[one].mean(), -one))
        reached = float((means[first] >= 0.5).mean())
        if chosen is None or reached > chosen[2] + WORTH:
            chosen = _doubled(first), ratios, reached
    assert chosen is not None
    sizes, ratios, reached = chosen
    most = max(int(one.amounts.max()) for one in (found, *others))
    fields = {
        "min_size": shorter,
        "max_size": longest,
        "anchor_sizes": sizes,
        "anchor_ratios": ratios,
        "roi_canonical_size": round(_CANONICAL * sizes[2]),
        "max_instances": max(100, most),
        "detections_per_image": max(100, most),
    }
    plain = best_overlap(boxes[tried], (32, 64, 128, 256, 512), RATIOS[0])
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    return Suggestion(fields, reached, float((sides < LEAST_SIDE).mean()), float((plain >= 0.5).mean()))


def best_overlap(boxes: np.ndarray, sizes, ratios) -> np.ndarray:
    """IoU of each box with its best anchor on the five levels.

    Of the anchors of one form, the one whose centre is nearest is the best along both axes, so only that is counted.

    Args:
        boxes: (N, 4) xyxy px of the resized picture.
        sizes: px, one for each of `STRIDES`; ratios: height over width.

    Returns:
        (N,) float in [0, 1].
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2
    best = np.zeros(len(boxes))
    for stride, size in zip(STRIDES, sizes, strict=True):
        at = np.round(centres / stride) * stride
        for ratio in ratios:
            form = np.array([size / ratio**0.5, size * ratio**0.5])
            low = np.maximum(boxes[:, :2], at - form / 2)
            high = np.minimum(boxes[:, 2:], at + form / 2)
            common = np.prod(np.maximum(high - low, 0), axis=1)
            best = np.maximum(best, common / (np.prod(sides, axis=1) + form.prod() - common))
    return best


def _doubled(first: float) -> tuple[float, ...]:
    return tuple(first * 2**level for level in range(len(STRIDES)))


def _picture_size(found: Overview) -> int:
    """Longer side, px: the smallest at which few objects are small, no larger than the pictures are."""
    longer = found.sizes.max(axis=1)[found.pictures]
    share = found.sides / longer  # side of an object in a picture whose longer side is 1
    needed = LEAST_SIDE / max(np.quantile(share, SMALL_SHARE), 1e-6)
    there = int(np.ceil(np.median(found.sizes.max(axis=1)) / STEP) * STEP)
    return int(np.clip(np.ceil(needed / STEP) * STEP, SMALLEST, max(SMALLEST, min(LARGEST, there))))


def _resized(found: Overview, min_size: int, max_size: int) -> np.ndarray:
    new = np.array([resized_size(height, width, min_size, max_size) for height, width in found.sizes.tolist()])
    factor = (new / found.sizes)[found.pictures][:, ::-1]
    return found.boxes * np.concatenate([factor, factor], axis=1)
