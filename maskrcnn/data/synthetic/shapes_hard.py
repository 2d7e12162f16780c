"""Shapes that tell methods apart: confusable classes, texture, occlusion, distractors, free outlines."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..dataset import DataError, Sample
from ..geometry import mask_boxes
from . import outlines
from .outlines import TURN, UNIT
from .texture import fine_texture, texture

# Pairs that differ in one thing: stretch, stretch, where the hole is, the form of the five tips.
HARD_CLASSES = ("circle", "ellipse", "square", "rectangle", "ring", "crescent", "star", "flower")

_MOST_OBJECTS = 6
_MOST_DISTRACTORS = 5
_LEAST_PIXELS = 24  # of a visible mask, at 128 px
_LEAST_SIDE, _MOST_SIDE = 8, 96  # the visible part's longer side, px at 128 px
_TRIES = 12
# Diameters in px at 128 px: 8 to 96, evenly spread, so that every level of a pyramid has objects.
_DIAMETERS = np.round(8 + 88 * np.arange(64) / 63).astype(np.int64)


@dataclass(frozen=True)
class Difficulty:
    """One knob for each task, 0 (plain) to 1 (hardest).

    Attributes:
        class_likeness: how alike the two classes of a pair are (stretch, hole, depth of the tips).
        box_occlusion: half of this is the largest share of an object that others may hide; also how often
            objects are put upon each other.
        mask_detail: amplitude of the outlines' Fourier contours.
        proposal_camouflage: how close the objects' colours come to the ground's, and how many distractors
            there are.
    """

    class_likeness: float = 0.1
    box_occlusion: float = 1.0
    mask_detail: float = 0.5
    proposal_camouflage: float = 0.25

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value <= 1:
                raise DataError(f"Difficulty.{field.name} is {value}; it must lie between 0 and 1.")

    def scaled(self, knob: str, easiest: int, hardest: int) -> int:
        """An integer between two ends, by a knob in steps of 1/256."""
        return easiest + (hardest - easiest) * round(getattr(self, knob) * 256) // 256


def hard_picture(
    rng: np.random.Generator, size: int, image_id: int, name: str, difficulty: Difficulty
) -> Sample:
    """One picture of 1 to 6 objects of 8 to 96 px (at 128 px) and up to 5 unlabelled distractors."""
    base = rng.integers(80, 176, 3)
    # In 1/256 of a grey level; the coarse swing is not far below an object's contrast.
    canvas = (base[None, None] << 8) + texture(rng, size, coarse=18, fine=12)
    distractors = []
    for _ in range(int(rng.integers(0, difficulty.scaled("proposal_camouflage", 0, _MOST_DISTRACTORS) + 1))):
        mask = _distractor(rng, size)
        canvas = _painted(rng, canvas, mask, base, difficulty)
        distractors.append(mask)

    labels: list[int] = []
    masks: list[np.ndarray] = []
    whole: list[int] = []
    wanted = int(rng.integers(1, _MOST_OBJECTS + 1))
    while len(labels) < wanted:
        for _ in range(_TRIES):
            label = int(rng.integers(1, len(HARD_CLASSES) + 1))
            mask = _object(rng, label, size, masks, difficulty)
            if _acceptable(mask, masks, whole, size, difficulty):
                masks = [m & ~mask for m in masks] + [mask]
                labels.append(label)
                whole.append(int(np.count_nonzero(mask)))
                distractors = [m & ~mask for m in distractors]
                canvas = _painted(rng, canvas, mask, base, difficulty)
                break
        else:
            if labels:
                break  # the picture is full
    noise = rng.integers(-6 << 8, (6 << 8) + 1, (size, size, 1))
    image = np.clip((canvas + noise) >> 8, 0, 255).astype(np.uint8)
    visible = np.stack(masks)
    seen = mask_boxes(np.array([m for m in distractors if m.any()]).reshape(-1, size, size))
    return Sample(
        image,
        mask_boxes(visible),
        np.array(labels, np.int32),
        visible,
        np.zeros(len(labels), bool),
        visible.sum(axis=(1, 2)).astype(np.float64),
        image_id,
        name,
        seen,
    )


def _acceptable(
    mask: np.ndarray, masks: list[np.ndarray], whole: list[int], size: int, difficulty: Difficulty
) -> bool:
    """Whether the new object, and what it leaves of the earlier ones, can be seen."""
    least = max(6, _LEAST_PIXELS * size * size // 128**2)
    shares = 256 - difficulty.scaled("box_occlusion", 0, 128)  # of 256
    left = [m & ~mask for m in masks] + [mask]
    pixels = [int(np.count_nonzero(m)) for m in left]
    if min(pixels) < least or any(256 * p < shares * f for p, f in zip(pixels, whole, strict=False)):
        return False
    boxes = mask_boxes(np.stack(left))
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return bool(sides.min() >= max(4, _LEAST_SIDE * size // 128) and sides.max() <= _MOST_SIDE * size // 128)


def _object(
    rng: np.random.Generator, label: int, size: int, others: list[np.ndarray], difficulty: Difficulty
) -> np.ndarray:
    """The whole mask (size, size) of an object of a class at a random place, turn and size."""
    half = int(_DIAMETERS[rng.integers(len(_DIAMETERS))]) * size * 8 // 128  # 1/16 px
    # Where the two of a pair come closest: the ellipse's stretch, the crescent's bite, the tips' depth.
    short = int(rng.integers(410, difficulty.scaled("class_likeness", 560, 940)))
    thick = int(rng.integers(260, 520))
    deep = int(rng.integers(difficulty.scaled("class_likeness", 440, 240), 560))
    shallow = int(rng.integers(240, difficulty.scaled("class_likeness", 360, 560)))
    angle = int(rng.integers(TURN))
    roughness = difficulty.scaled("mask_detail", 0, 128)
    amplitudes = rng.integers(-roughness, roughness + 1, 4) * np.array([1, 4, 3, 2]) // 4
    amplitudes[0] //= 4  # the second harmonic would stretch: it is the classes' own
    phases = rng.integers(0, TURN, 4)
    centre = _centre(rng, half, size, others, difficulty)

    outline = {
        "circle": outlines.disc,
        "ellipse": lambda: outlines.stretched(outlines.disc(), short),
        "square": outlines.box,
        "rectangle": lambda: outlines.stretched(outlines.box(), short),
        "ring": outlines.disc,
        "crescent": outlines.disc,
        "star": lambda: outlines.star(deep),
        "flower": lambda: outlines.flower(shallow),
    }[HARD_CLASSES[label - 1]]()
    outer = outlines.wavy(outline, amplitudes, phases)
    mask = outlines.filled(outlines.placed(outer, half, angle) + centre, size)
    if HARD_CLASSES[label - 1] in ("ring", "crescent"):
        hole = outlines.wavy(outlines.disc(UNIT - thick), amplitudes[::-1] // 2, phases[::-1])
        # The ring's hole stays inside, the crescent's opens it; the gap between them narrows.
        gap = difficulty.scaled("class_likeness", 250, 90)
        if HARD_CLASSES[label - 1] == "ring":
            hole[:, 0] += int(rng.integers(0, max(1, thick * 3 // 4)))
        else:
            hole[:, 0] += thick + int(rng.integers(gap, gap + 120))
        mask &= ~outlines.filled(outlines.placed(hole, half, angle) + centre, size)
    return mask


def _centre(
    rng: np.random.Generator, half: int, size: int, others: list[np.ndarray], difficulty: Difficulty
) -> np.ndarray:
    """A place (x, y), 1/256 px, that keeps the object in the picture; sometimes beside another object."""
    # An outline reaches up to 1.25 radii, rarely further; a very large object is put in the middle.
    reach = min(half * 16 * 20 // 16, size * 128 - 256)
    centre = rng.integers(reach, size * 256 - reach, 2)
    near, which, offset = int(rng.integers(256)), int(rng.integers(1 << 16)), rng.integers(-256, 257, 2)
    if others and near < difficulty.scaled("box_occlusion", 0, 160):
        x0, y0, x1, y1 = mask_boxes(others[which % len(others)][None])[0].astype(np.int64)
        middle = np.array([x0 + x1, y0 + y1]) * 128
        spread = np.array([x1 - x0, y1 - y0]) * 128 + half * 16
        centre = np.clip(middle + offset * spread // 256, reach, size * 256 - reach)
    return centre


def _distractor(rng: np.random.Generator, size: int) -> np.ndarray:
    """The mask of a triangle, a bar or a cross: none of them is a class."""
    half = int(_DIAMETERS[rng.integers(48)]) * size * 8 // 128
    kind, angle = int(rng.integers(3)), int(rng.integers(TURN))
    centre = rng.integers(0, size * 256, 2)
    bar = outlines.stretched(outlines.box(), 220)
    if kind == 0:
        corners = outlines.disc()[[0, 85, 171]]
        return outlines.filled(outlines.placed(corners, half, angle) + centre, size)
    mask = outlines.filled(outlines.placed(bar, half, angle) + centre, size)
    if kind == 2:
        mask |= outlines.filled(outlines.placed(bar, half, angle + TURN // 4) + centre, size)
    return mask


def _painted(
    rng: np.random.Generator, canvas: np.ndarray, mask: np.ndarray, base: np.ndarray, difficulty: Difficulty
) -> np.ndarray:
    """The canvas with an object of its own colour and texture on it."""
    size = len(mask)
    contrast = int(
        rng.integers(
            difficulty.scaled("proposal_camouflage", 56, 14), difficulty.scaled("proposal_camouflage", 84, 40)
        )
    )
    # The largest of three channels takes the whole contrast, the others any part of it.
    shift = rng.integers(-contrast, contrast + 1, 3)
    shift[rng.integers(3)] = contrast * (1 - 2 * int(rng.integers(2)))
    grain = fine_texture(rng, size, swing=int(rng.integers(4, 16)))
    painted = canvas.copy()
    painted[mask] = ((base + shift) << 8) + grain[mask]
    return painted
