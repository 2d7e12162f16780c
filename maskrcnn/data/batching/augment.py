"""Augmentation in step on picture, boxes and instance masks, without hidden state.

All numbers of one picture's augmentation are drawn at once from (seed, epoch, index) by `draw`; so the order
of workers cannot change them and a resumed run repeats them. Two halves use them:

- geometry (flip, quarter turns, scale jitter with crop) is slicing, done in NumPy on the stored pixels before
  resizing. Keras's layers would resample image and float masks, know no crop that keeps boxes right, and want
  padded batches.
- colour goes through the `transform_images` methods of Keras's preprocessing layers, with the drawn values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ..dataset import Sample

_CROP_TRIES = 5


@dataclass(frozen=True)
class Augmentation:
    """How far each change may go; zeros change nothing.

    Attributes:
        flip: probability of a mirrored picture.
        turn: whether the picture is turned by a drawn number of quarter turns; for pictures without an up.
        scale: (smallest, largest) factor on the resized picture. Above 1 the picture is cropped to 1/factor
            of each side, so that the batch's size stays; below 1 it is shrunk.
        brightness: largest shift of the values, of 1.
        contrast, saturation: largest relative change.
        least_visible: an object with a smaller share of its mask left by the crop is dropped.
    """

    flip: float = 0.0
    turn: bool = False
    scale: tuple[float, float] = (1.0, 1.0)
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    least_visible: float = 0.3

    @property
    def colour(self) -> bool:
        return bool(self.brightness or self.contrast or self.saturation)


PRESETS = {
    "none": Augmentation(),
    "flip": Augmentation(flip=0.5),
    "dihedral": Augmentation(flip=0.5, turn=True),
    "standard": Augmentation(flip=0.5, scale=(0.7, 1.5), brightness=0.1, contrast=0.2, saturation=0.2),
}


def preset(name: str | Augmentation) -> Augmentation:
    """The `Augmentation` of that name ("none", "flip", "dihedral", "standard"), or the one given.

    Raises:
        ValueError: for an unknown name.
    """
    if isinstance(name, Augmentation):
        return name
    if name not in PRESETS:
        raise ValueError(f"augment={name!r} is unknown; take one of {sorted(PRESETS)} or an Augmentation.")
    return PRESETS[name]


class Draw(NamedTuple):
    """The numbers of one picture's augmentation."""

    flip: bool
    turns: int  # quarter turns, counter-clockwise
    scale: float
    corners: np.ndarray  # (_CROP_TRIES, 2) float64 in [0, 1): where the crop lies, (y, x) of the free range
    colour: np.ndarray  # (3,) float32: brightness shift, contrast factor, saturation factor


def draw(augmentation: Augmentation, seed: int, epoch: int, index: int) -> Draw:
    """Draws from (seed, epoch, index) and nothing else."""
    u = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch, index]))).random(
        6 + 2 * _CROP_TRIES
    )
    low, high = augmentation.scale
    spread = np.array([augmentation.brightness, augmentation.contrast, augmentation.saturation])
    colour = (2 * u[2:5] - 1) * spread + (0.0, 1.0, 1.0)
    return Draw(
        bool(u[0] < augmentation.flip),
        int(4 * u[-1]) if augmentation.turn else 0,
        low + (high - low) * u[1],
        u[5:-1].reshape(-1, 2),
        colour.astype(np.float32),
    )


def geometry(sample: Sample, augmentation: Augmentation, drawn: Draw) -> tuple[Sample, float]:
    """Flips, turns and crops a sample.

    Returns:
        The changed sample and the factor, at most 1, by which its resized picture is to be shrunk.
    """
    if drawn.flip:
        sample = flipped(sample)
    if drawn.turns:
        sample = turned(sample, drawn.turns)
    if drawn.scale > 1.0:
        sample = _cropped_with_objects(sample, augmentation, drawn)
    return sample, min(drawn.scale, 1.0)


def flipped(sample: Sample) -> Sample:
    """The mirrored picture; boxes are mirrored, not measured again."""
    width = sample.image.shape[1]
    boxes = sample.boxes.copy()
    boxes[:, 0::2] = width - boxes[:, 2::-2]
    return sample.changed(sample.cut_masks.flipped(), image=sample.image[:, ::-1], boxes=boxes)


def turned(sample: Sample, turns: int) -> Sample:
    """The picture turned counter-clockwise by quarter turns; boxes are turned, not measured again."""
    boxes = sample.boxes
    for turn in range(turns % 4):
        width = sample.image.shape[1 - turn % 2]
        boxes = np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], axis=1)
    return sample.changed(sample.cut_masks.turned(turns), image=np.rot90(sample.image, turns), boxes=boxes)


def cropped(sample: Sample, window: tuple[int, int, int, int], least_visible: float = 0.3) -> Sample:
    """The part of a picture in `window` (y0, x0, y1, x1), px.

    Objects with less than `least_visible` of their mask, or no pixel, inside are dropped. A box whose object
    is cut is measured from its mask; one whose object is whole keeps its annotated extent. Areas shrink with
    the masks.
    """
    y0, x0, y1, x1 = window
    whole = sample.cut_masks
    masks = whole.cropped(window)
    full, left = whole.areas(), masks.areas()
    kept = (left > 0) & (left >= least_visible * full)
    masks, cut = masks.take(kept), (left < full)[kept]
    moved = sample.boxes[kept] - np.array([x0, y0, x0, y0], np.float32)
    moved = np.clip(moved, 0, np.array([x1 - x0, y1 - y0] * 2, np.float32))
    boxes = np.where(cut[:, None], masks.windows, moved).astype(np.float32)
    return sample.changed(
        masks,
        image=sample.image[y0:y1, x0:x1],
        boxes=boxes,
        labels=sample.labels[kept],
        crowd=sample.crowd[kept],
        areas=sample.areas[kept] * left[kept] / np.maximum(full[kept], 1),
    )


def _cropped_with_objects(sample: Sample, augmentation: Augmentation, drawn: Draw) -> Sample:
    """The first drawn window that keeps an object; the last one if none does."""
    height, width = sample.image.shape[:2]
    high, wide = max(1, round(height / drawn.scale)), max(1, round(width / drawn.scale))
    result = sample
    for y, x in drawn.corners:
        top, left = int(y * (height - high + 1)), int(x * (width - wide + 1))
        result = cropped(sample, (top, left, top + high, left + wide), augmentation.least_visible)
        if len(result.boxes):
            break
    return result


class Colour:
    """Brightness, contrast and saturation of a float picture in [0, 1] by drawn values."""

    def __init__(self) -> None:
        # The factors given here are never drawn from.
        common = {"value_range": (0.0, 1.0), "dtype": "float32"}
        self._brightness = keras.layers.RandomBrightness(0.1, **common)
        self._contrast = keras.layers.RandomContrast(0.1, **common)
        self._saturation = keras.layers.RandomSaturation(0.1, **common)

    def __call__(self, image: tf.Tensor, colour: tf.Tensor) -> tf.Tensor:
        """`image` (h, w, 3) float32, `colour` (3,) as in `Draw`; returns (h, w, 3) float32 in [0, 1]."""
        images = image[None]
        images = self._brightness.transform_images(images, {"rgb_delta": colour[0]})
        images = self._contrast.transform_images(images, {"contrast_factor": colour[1]})
        images = self._saturation.transform_images(images, {"factor": colour[2:3]})
        return tf.clip_by_value(images[0], 0.0, 1.0)
