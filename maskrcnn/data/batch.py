"""The training batch: one dict, the same for every source.

| key | shape | dtype | meaning |
|---|---|---|---|
| image | (B, H, W, 3) | float32 | RGB in [0, 1], resized, zero-padded at the bottom and right |
| image_size | (B, 2) | float32 | (height, width) of the resized picture without its padding, px |
| boxes | (B, G, 4) | float32 | (x0, y0, x1, y1) px of the resized picture; 0 for padding |
| labels | (B, G) | int32 | 1-based positions in `class_names`; 0 for padding |
| masks | (B, G, H, W) | uint8 | 0 or 1, the size of `image` |
| crowd | (B, G) | bool | the annotation covers a group |

H and W are the batch's largest, multiples of `config.size_divisor`; G is its largest number of objects, at
least 1 and at most `config.max_instances` (the objects with the largest boxes are kept, in their order).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from .dataset import Sample
from .resize import resize_boxes, resize_masks, resized_size

SHAPES = {
    "image": (None, None, 3),
    "image_size": (2,),
    "boxes": (None, 4),
    "labels": (None,),
    "masks": (None, None, None),
    "crowd": (None,),
}


class Example(NamedTuple):
    """One sample on its way into a batch: everything is resized except the picture."""

    image: np.ndarray  # (H, W, 3) uint8, as stored (or cropped)
    size: np.ndarray  # (2,) int32, (height, width) to resize it to
    boxes: np.ndarray  # (N, 4) float32, px of `size`
    labels: np.ndarray  # (N,) int32
    masks: np.ndarray  # (N, *size) uint8
    crowd: np.ndarray  # (N,) bool


def example(sample: Sample, config: Any, shrink: float = 1.0) -> Example:
    """Resizes the objects of a sample and says how to resize its picture.

    Args:
        sample: the picture and its objects.
        config: has `min_size`, `max_size`, `max_instances`.
        shrink: further factor on the size, in (0, 1] (scale jitter).
    """
    height, width = sample.image.shape[:2]
    old, new = (height, width), resized_size(height, width, config.min_size, config.max_size)
    if shrink != 1.0:
        new = max(1, int(new[0] * shrink)), max(1, int(new[1] * shrink))
    kept = _largest(sample.boxes, config.max_instances)
    masks = sample.masks if kept is None else sample.masks[kept]
    boxes, labels, crowd = (
        a if kept is None else a[kept] for a in (sample.boxes, sample.labels, sample.crowd)
    )
    return Example(
        sample.image,
        np.array(new, np.int32),
        resize_boxes(boxes, old, new),
        labels.astype(np.int32),
        np.ascontiguousarray(resize_masks(masks, new)).view(np.uint8),
        crowd,
    )


def _largest(boxes: np.ndarray, most: int) -> np.ndarray | None:
    """Indices of the `most` largest boxes in their old order; None if all fit."""
    if len(boxes) <= most:
        return None
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return np.sort(np.argsort(-areas, kind="stable")[:most])


def padded(image: tf.Tensor, parts: Example, divisor: int) -> dict[str, tf.Tensor]:
    """The batch's dict for one picture: sides padded to multiples of `divisor`, at least one object slot.

    Args:
        image: (h, w, 3) float32 in [0, 1], resized.
        parts: the `Example`, as tensors.
        divisor: px.
    """
    height, width = parts.size[0], parts.size[1]
    below, right = -height % divisor, -width % divisor
    slots = tf.maximum(1 - tf.shape(parts.labels)[0], 0)
    return {
        "image": tf.pad(image, [[0, below], [0, right], [0, 0]]),
        "image_size": tf.cast(parts.size, tf.float32),
        "boxes": tf.pad(parts.boxes, [[0, slots], [0, 0]]),
        "labels": tf.pad(parts.labels, [[0, slots]]),
        "masks": tf.pad(parts.masks, [[0, slots], [0, below], [0, right]]),
        "crowd": tf.pad(parts.crowd, [[0, slots]]),
    }
