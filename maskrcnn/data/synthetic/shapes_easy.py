"""The classic set: squares, circles and triangles on a plain ground."""

from __future__ import annotations

import numpy as np

from maskrcnn.box_overlap import pairwise_iou

from ..dataset import Sample
from ..geometry import mask_boxes

EASY_CLASSES = ("square", "circle", "triangle")

_MOST_OBJECTS = 4
_MOST_IOU = 0.3  # of the boxes of two objects, as the classic set's suppression
_LEAST_VISIBLE = 0.5
_LEAST_CONTRAST = 96  # sum over RGB: an object in its ground's colour could not be learnt
_TRIES = 20


def easy_picture(rng: np.random.Generator, size: int, image_id: int, name: str) -> Sample:
    """One picture of 1 to 4 objects of 40 to 64 px (at 128 px; scaled with `size`)."""
    ground = rng.integers(0, 256, 3)
    image = np.empty((size, size, 3), np.uint8)
    image[:] = ground
    masks: list[np.ndarray] = []
    labels: list[int] = []
    whole: list[int] = []  # pixels of each object before others cover it
    boxes = np.zeros((0, 4), np.float32)
    colours = [ground]
    for _ in range(int(rng.integers(1, _MOST_OBJECTS + 1))):
        for _ in range(_TRIES):
            label = int(rng.integers(1, len(EASY_CLASSES) + 1))
            mask = _draw(rng, label, size)
            box = mask_boxes(mask[None])
            left = [np.count_nonzero(m & ~mask) for m in masks]
            if pairwise_iou(box, boxes).max(initial=0) > _MOST_IOU:
                continue
            if any(pixels < _LEAST_VISIBLE * full for pixels, full in zip(left, whole, strict=True)):
                continue
            colour = _colour(rng, colours)
            colours.append(colour)
            masks = [m & ~mask for m in masks] + [mask]
            labels.append(label)
            whole.append(int(np.count_nonzero(mask)))
            boxes = np.concatenate([boxes, box])
            image[mask] = colour
            break
    visible = np.stack(masks)
    return Sample(
        image,
        mask_boxes(visible),
        np.array(labels, np.int32),
        visible,
        np.zeros(len(labels), bool),
        visible.sum(axis=(1, 2)).astype(np.float64),
        image_id,
        name,
    )


def _draw(rng: np.random.Generator, label: int, size: int) -> np.ndarray:
    """The mask (size, size) of one object at a random place; integer arithmetic."""
    margin, most = 20 * size // 128, size // 4
    half = int(rng.integers(max(3, 20 * size // 128), most + 1))
    centre_x, centre_y = (int(v) for v in rng.integers(margin, size - margin, 2))
    x = np.arange(size)[None, :] - centre_x
    y = np.arange(size)[:, None] - centre_y
    if label == 1:
        return (np.abs(x) <= half) & (np.abs(y) <= half)
    if label == 2:
        return x * x + y * y <= half * half
    # Apex up; the base is 2 * half / sin(60 degrees) wide: 1000 |x| <= 577 * (y + half).
    return (np.abs(y) <= half) & (1000 * np.abs(x) <= 577 * (y + half))


def _colour(rng: np.random.Generator, taken: list[np.ndarray]) -> np.ndarray:
    """A random colour apart from those in the picture."""
    while True:
        colour = rng.integers(0, 256, 3)
        if all(np.abs(colour - other).sum() >= _LEAST_CONTRAST for other in taken):
            return colour
