"""The training batch: one dict, the same for every source.

| key | shape | dtype | meaning |
|---|---|---|---|
| image | (B, H, W, 3) | float32 | RGB in [0, 1], resized, zero-padded at the bottom and right; see below |
| image_size | (B, 2) | float32 | (height, width) of the resized picture without its padding, px |
| boxes | (B, G, 4) | float32 | (x0, y0, x1, y1) px of the resized picture; 0 for padding |
| labels | (B, G) | int32 | 1-based positions in `class_names`; 0 for padding |
| masks | (B, L) | uint8 | 0 or 1: each mask's pixels inside its window, row by row, one object's after another |
| mask_windows | (B, G, 4) | int32 | (x0, y0, x1, y1) px of the resized picture, each mask's extent; 0 for padding |
| crowd | (B, G) | bool | the annotation covers a group |

With `config.square_fit` the padding is on all sides, and "px of the resized picture" are px of the padded one; with
`config.box_last_pixel` boxes end at their last pixel, not behind it.

H and W are the batch's largest, multiples of `config.size_divisor`; G is its largest number of objects, at
least 1 and at most `config.max_instances` (the objects with the largest boxes are kept, in their order).

Outside its window a mask is 0. An object's pixels begin where those of the objects before it end, so that their
windows' areas sum up to that; what is left of L is 0. L is a power of two and at least 65536: a step that is compiled
for shapes meets few of them. `whole_masks` gives masks back whole.

Masks may also come whole, (B, G, H, W) uint8 of the size of `image`, and then without `mask_windows`, wherever a batch
is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ..cut_masks import CutMasks
from ..dataset import Sample
from ..placement import place
from .pixels import pad_pixels

SHAPES = {
    "image": (None, None, 3),
    "image_size": (2,),
    "boxes": (None, 4),
    "labels": (None,),
    "masks": (None,),
    "mask_windows": (None, 4),
    "crowd": (None,),
}


_LEAST_LENGTH = 65536  # of L: four masks of 128 x 128 px


class Example(NamedTuple):
    """One sample on its way into a batch: everything is resized except the picture."""

    image: np.ndarray  # (H, W, 3) uint8, as stored (or cropped)
    size: np.ndarray  # (2,) int32, (height, width) to resize it to
    boxes: np.ndarray  # (N, 4) float32, px of `size`
    labels: np.ndarray  # (N,) int32
    masks: np.ndarray  # (L,) uint8
    mask_windows: np.ndarray  # (N, 4) int32, px of `size`
    crowd: np.ndarray  # (N,) bool


def example(sample: Sample, config: Any, shrink: float = 1.0) -> Example:
    """Resizes the objects of a sample and says how to resize its picture.

    Args:
        sample: the picture and its objects.
        config: see `place`; and has `max_instances`.
        shrink: further factor on the size, in (0, 1] (scale jitter).
    """
    height, width = sample.image.shape[:2]
    placement = place((height, width), config, shrink)
    kept = _largest(sample.boxes, config.max_instances)
    masks = (sample.cut_masks if kept is None else sample.cut_masks.take(kept)).resized(placement.size)
    boxes, labels, crowd = (
        a if kept is None else a[kept] for a in (sample.boxes, sample.labels, sample.crowd)
    )
    return Example(
        sample.image,
        np.array(placement.size, np.int32),
        placement.into(boxes.astype(np.float32), np.float32),
        labels.astype(np.int32),
        _filled_up(masks.pixels()),
        masks.windows + np.array(placement.offset[::-1] * 2, np.int32),
        crowd,
    )


def _filled_up(pixels: np.ndarray) -> np.ndarray:
    """(L,) uint8: the pixels (n,) bool and zeros behind them."""
    length = max(_LEAST_LENGTH, 1 << max(0, len(pixels) - 1).bit_length())
    return np.concatenate([pixels.view(np.uint8), np.zeros(length - len(pixels), np.uint8)])


def _largest(boxes: np.ndarray, most: int) -> np.ndarray | None:
    """Indices of the `most` largest boxes in their old order; None if all fit."""
    if len(boxes) <= most:
        return None
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return np.sort(np.argsort(-areas, kind="stable")[:most])


def padded(image: tf.Tensor, parts: Example, config: Any) -> dict[str, tf.Tensor]:
    """The batch's dict for one picture: its picture padded, at least one object slot.

    Args:
        image: (h, w, 3) float32 in [0, 1], resized.
        parts: the `Example`, as tensors.
        config: see `place`.
    """
    slots = tf.maximum(1 - tf.shape(parts.labels)[0], 0)
    return {
        "image": pad_pixels(image, config),
        "image_size": tf.cast(parts.size, tf.float32),
        "boxes": tf.pad(parts.boxes, [[0, slots], [0, 0]]),
        "labels": tf.pad(parts.labels, [[0, slots]]),
        "masks": parts.masks,
        "mask_windows": tf.pad(parts.mask_windows, [[0, slots], [0, 0]]),
        "crowd": tf.pad(parts.crowd, [[0, slots]]),
    }


def mask_pixels(batch: Mapping[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
    """The masks of a batch as `masks` (B, L) and `mask_windows` (B, G, 4), also where they came whole.

    Whole masks are windows of the whole picture, with its padding.
    """
    masks = tf.convert_to_tensor(batch["masks"])
    if masks.shape.rank != 4 and "mask_windows" in batch:
        return masks, tf.cast(batch["mask_windows"], tf.int32)
    shape = tf.shape(masks)
    windows = tf.stack([0, 0, shape[3], shape[2]]) + tf.zeros((shape[0], shape[1], 1), tf.int32)
    return tf.reshape(masks, (shape[0], -1)), windows


def whole_masks(batch: Mapping[str, Any]) -> np.ndarray:
    """The masks of a training batch, whole: to draw them, or to check them.

    Args:
        batch: a training batch, of tensors or arrays.

    Returns:
        (B, G, H, W) uint8, 0 or 1, the size of the batch's `image`.
    """
    if np.ndim(batch["masks"]) == 4:
        return np.asarray(batch["masks"], np.uint8)
    size = tuple(np.shape(batch["image"])[1:3])
    rows = zip(np.asarray(batch["mask_windows"]), np.asarray(batch["masks"]), strict=True)
    cut = (CutMasks.from_pixels(size, windows, row.view(bool)) for windows, row in rows)
    return np.stack([masks.whole() for masks in cut]).view(np.uint8)
