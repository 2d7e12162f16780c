"""One picture with its objects, and what is raised where it cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from .cut_masks import CutMasks
from .geometry import mask_boxes


class DataError(ValueError):
    """Input that cannot be used; the message names the file and the annotation and says what to do.

    Attributes:
        reason: the kind of fault in a few words; what `Dataset.dropped` counts.
    """

    def __init__(self, message: str, reason: str = "bad input") -> None:
        super().__init__(message)
        self.reason = reason


class DataWarning(UserWarning):
    """Data that are used, but not all of them; the message says which setting decides."""


class Entry(NamedTuple):
    """What is known of a sample without reading it."""

    name: str
    image_id: int | str
    objects: int  # with crowds
    crowds: int


@dataclass(frozen=True)
class Sample:
    """One picture with its objects, in pixels of the picture; `Sample.of` makes one from arrays.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        boxes: (N, 4) float32, (x0, y0, x1, y1) px; the right and bottom edges are exclusive.
        labels: (N,) int32, 1-based positions in the dataset's `class_names`.
        masks: (N, H, W) bool, the visible pixels of each object. Sources may hold them cut (`cut_masks`); then they are
            made whole when first asked for.
        crowd: (N,) bool, True where the annotation covers a group.
        areas: (N,) float64, the source's own area where it states one, else the mask's pixels.
        image_id: the source's id.
        name: file name, or "shapes-easy/17".
        distractors: (D, 4) float32 boxes of things that look like objects and are not (Shapes, hard level).
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    image_id: int | str
    name: str
    distractors: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))

    @classmethod
    def of(
        cls,
        image: Any,
        masks: Any,
        labels: Any,
        crowd: Any = None,
        image_id: int | str = 0,
        name: str | None = None,
    ) -> Sample:
        """A sample from a picture, the masks of its objects and their labels; boxes and areas are the masks'.

        Args:
            image: (H, W, 3) RGB or (H, W) grey; uint8, or floats in [0, 1].
            masks: (N, H, W), 0 or 1 of any type; N may be 0.
            labels: (N,) whole numbers from 1 on, positions in the dataset's `class_names`.
            crowd: (N,) bool; no crowds if None.
            image_id: of the source.
            name: what to call it; the id if None.

        Raises:
            DataError: for shapes that do not fit, values of another range, a label below 1 or an empty mask.
        """
        name = str(image_id) if name is None else name
        pixels = _rgb(np.asarray(image), name)
        height, width = pixels.shape[:2]
        labels = np.asarray(labels)
        bitmaps = np.asarray(masks)
        if bitmaps.size == 0 and not labels.size:
            bitmaps = np.zeros((0, height, width), bool)
        if bitmaps.shape != (labels.size, height, width) or labels.ndim != 1:
            raise DataError(
                f"{name}: masks have the shape {bitmaps.shape} and labels {labels.shape}; expected (N, {height}, "
                f"{width}) and (N,) for this picture."
            )
        if not np.isin(bitmaps, (0, 1)).all():
            raise DataError(f"{name}: masks must be 0 or 1, found {bitmaps.min()} to {bitmaps.max()}.")
        bitmaps = bitmaps.astype(bool)
        if labels.size and (labels.dtype.kind not in "iu" or labels.min() < 1):
            raise DataError(
                f"{name}: labels must be whole numbers from 1 on (the first class is 1), found {labels.tolist()}."
            )
        areas = bitmaps.sum(axis=(1, 2)).astype(np.float64)
        if not areas.all():
            raise DataError(
                f"{name}: mask {int(np.argmin(areas))} has no pixel; leave the object out.", "no area"
            )
        crowds = np.zeros(len(labels), bool) if crowd is None else np.asarray(crowd, bool)
        if crowds.shape != labels.shape:
            raise DataError(f"{name}: crowd has the shape {crowds.shape}, labels {labels.shape}.")
        return cls(
            pixels, mask_boxes(bitmaps), labels.astype(np.int32), bitmaps, crowds, areas, image_id, name
        )

    def relabelled(self, label: np.ndarray) -> Sample:
        """With `label[old]` as the label of each object; objects whose new label is 0 are left out."""
        new = label[self.labels]
        kept = new > 0
        objects = {name: getattr(self, name)[kept] for name in ("boxes", "crowd", "areas")}
        return self.changed(self.cut_masks.take(kept), labels=new[kept], **objects)

    @property
    def cut_masks(self) -> CutMasks:
        """The masks, each within its window: what the pipeline reads."""
        held = self.__dict__["masks"]
        return held if isinstance(held, CutMasks) else CutMasks.of(held)

    def changed(self, masks: CutMasks, **fields: Any) -> Sample:
        """The sample with these masks, cut, and other fields."""
        return replace(self, masks=masks, **fields)  # type: ignore[arg-type]  # made whole when asked for

    @property
    def entry(self) -> Entry:
        """The sample in short."""
        return Entry(self.name, self.image_id, len(self.labels), int(np.sum(self.crowd)))


class _WholeWhenAsked:
    """`Sample.masks`: what is held cut is made whole by the first who asks, and held whole from then on."""

    def __get__(self, sample: Sample | None, owner: type | None = None) -> Any:
        if sample is None:
            return self
        held = sample.__dict__["masks"]
        if isinstance(held, CutMasks):
            held = sample.__dict__["masks"] = held.whole()
        return held

    def __set__(self, sample: Sample, masks: np.ndarray | CutMasks) -> None:
        sample.__dict__["masks"] = masks


Sample.masks = _WholeWhenAsked()  # type: ignore[assignment]


def _rgb(image: np.ndarray, name: str) -> np.ndarray:
    """(H, W, 3) uint8 of a picture of bytes, or of floats in [0, 1]."""
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise DataError(f"{name}: the picture has the shape {image.shape}; expected (H, W, 3) or (H, W).")
    if image.dtype.kind == "f" and image.min() >= 0 and image.max() <= 1:
        return np.round(image * 255).astype(np.uint8)
    if image.dtype != np.uint8:
        raise DataError(
            f"{name}: the picture is {image.dtype} of {image.min():g} to {image.max():g}; expected uint8, or floats "
            "in [0, 1]."
        )
    return image
