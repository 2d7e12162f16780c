"""The probe set: boxes on which each task is asked alone, whatever the other tasks do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskrcnn.box_overlap import aligned_iou, covered, pairwise_iou
from maskrcnn.probe_rules import (
    BACKGROUND_IOU,
    BACKGROUND_SIDES,
    BACKGROUNDS,
    CANDIDATES,
    JITTER_IOU,
    JITTERS,
    LIKE_AN_OBJECT,
)

GROUND_TRUTH, JITTERED, BACKGROUND = 0, 1, 2
_ROUNDS = 8


@dataclass(frozen=True)
class ImageProbes:
    """The probe boxes of one picture: ground truth first, then jittered copies, then background.

    Attributes:
        boxes: (K, 4) float32, xyxy px of the picture.
        labels: (K,) int32, the object's class, 0 for background.
        owner: (K,) int32, index of the object in the sample, -1 for background.
        kind: (K,) uint8, GROUND_TRUTH, JITTERED or BACKGROUND.
    """

    boxes: np.ndarray
    labels: np.ndarray
    owner: np.ndarray
    kind: np.ndarray

    @property
    def mask_boxes(self) -> np.ndarray:
        """(M, 4) float32: the ground-truth boxes, on which masks are asked."""
        return self.boxes[self.kind == GROUND_TRUTH]

    @property
    def mask_owner(self) -> np.ndarray:
        """(M,) int32: the objects of `mask_boxes`, as indices in the sample."""
        return self.owner[self.kind == GROUND_TRUTH]


@dataclass(frozen=True)
class ProbeSet(Sequence[ImageProbes]):
    """The stored probes of a dataset's first pictures, in its order.

    Attributes:
        seed: the seed they were drawn with.
        images: one `ImageProbes` a picture.
    """

    seed: int
    images: tuple[ImageProbes, ...]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]

    def __iter__(self) -> Iterator[ImageProbes]:
        return iter(self.images)

    def save(self, path: str | Path) -> None:
        """Writes one `.npz` file that `ProbeSet.load` reads."""
        counts = [len(p.boxes) for p in self.images]
        flat = {
            name: np.concatenate([getattr(p, name) for p in self.images] or [np.zeros(0)])
            for name in ("boxes", "labels", "owner", "kind")
        }
        flat |= {"seed": np.asarray(self.seed), "counts": np.asarray(counts, np.int64)}
        np.savez_compressed(path, **flat)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> ProbeSet:
        """The probe set that `save` wrote."""
        with np.load(path) as stored:
            cuts = np.cumsum(stored["counts"])[:-1]
            columns = [np.split(stored[name], cuts) for name in ("boxes", "labels", "owner", "kind")]
            return cls(int(stored["seed"]), tuple(ImageProbes(*row) for row in zip(*columns, strict=True)))


def probe_set(
    dataset, seed: int = 0, *, jitters: int = JITTERS, backgrounds: int = BACKGROUNDS, limit: int | None = None
) -> ProbeSet:
    """Draws the probes of a dataset's first `limit` pictures.

    Args:
        dataset: a sequence of `Sample`s.
        seed: with a picture's index in the dataset, fixes its boxes.
        jitters: jittered copies an object.
        backgrounds: background boxes a picture.
        limit: number of pictures; None: all.

    Returns:
        The `ProbeSet`.
    """
    count = len(dataset) if limit is None else min(limit, len(dataset))
    images = (
        image_probes(dataset[i], seed, i, jitters=jitters, backgrounds=backgrounds) for i in range(count)
    )
    return ProbeSet(seed, tuple(images))


def image_probes(
    sample, seed: int, index: int, *, jitters: int = JITTERS, backgrounds: int = BACKGROUNDS
) -> ImageProbes:
    """Draws the probe boxes of one picture, a function of (seed, index, the sample's boxes) alone.

    Crowds are no objects here, but background boxes keep away from them. A jittered copy overlaps no other
    object more than its own, and is clipped to the picture. Where there is no room, fewer are returned.

    Args:
        sample: the picture; its `distractors` (D, 4), if any, are kept free of background boxes too.
        seed: the probe set's seed.
        index: the picture's index in the dataset.
        jitters: jittered copies an object, their IoUs spread evenly over [0.5, 0.9].
        backgrounds: background boxes, each of IoU < 0.3 with every object, crowd and distractor.

    Returns:
        The `ImageProbes`.
    """
    rng = np.random.default_rng([seed, index])
    height, width = sample.image.shape[:2]
    objects = np.flatnonzero(~np.asarray(sample.crowd, bool)).astype(np.int32)
    boxes = np.asarray(sample.boxes, np.float32).reshape(-1, 4)
    own = boxes[objects]
    jittered, owner = _jitter(rng, own, jitters, height, width)
    crowds = boxes[np.asarray(sample.crowd, bool)]
    distractors = np.asarray(getattr(sample, "distractors", ()), np.float32).reshape(-1, 4)
    background = _background(rng, own, crowds, distractors, backgrounds, height, width)
    owners = np.concatenate([objects, objects[owner], np.full(len(background), -1, np.int32)])
    labels = np.concatenate([np.asarray(sample.labels, np.int32).reshape(-1), [0]])[owners]  # -1 reads the 0
    kind = np.repeat(
        np.array([GROUND_TRUTH, JITTERED, BACKGROUND], np.uint8), [len(own), len(jittered), len(background)]
    )
    return ImageProbes(np.concatenate([own, jittered, background]), labels.astype(np.int32), owners, kind)


def _jitter(rng, boxes, copies, height, width):
    """(J, 4) copies of (N, 4) boxes, (J,) whose; rejection sampling towards one IoU a copy."""
    count = len(boxes)
    if not count or not copies:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    low, high = JITTER_IOU
    targets = low + (high - low) * (np.arange(copies) + rng.random((count, copies))) / copies
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    strength = rng.uniform(0.02, 0.45, (count, CANDIDATES, 1))
    moved = boxes[:, None] + strength * rng.uniform(-1, 1, (count, CANDIDATES, 4)) * sides[:, None]
    # one candidate is always there: the box shrunk about its centre to 70 % of its area
    shrink = 0.5 * (1 - 0.7**0.5) * sides * [1, 1, -1, -1]
    moved = np.concatenate([moved, (boxes + shrink)[:, None]], axis=1)
    moved = _clip(moved, height, width).astype(np.float32)

    overlaps = pairwise_iou(moved.reshape(-1, 4), boxes).reshape(count, -1, count)
    ious = overlaps[np.arange(count), :, np.arange(count)]
    accepted = (ious >= low) & (ious <= high) & (ious >= overlaps.max(axis=-1))
    chosen, owner = [], []
    for copy in range(copies):
        distance = np.where(accepted, np.abs(ious - targets[:, copy, None]), np.inf)
        best = distance.argmin(axis=1)
        found = np.isfinite(distance[np.arange(count), best])
        accepted[np.arange(count), best] = False  # each candidate serves once
        chosen.append(moved[np.arange(count), best][found])
        owner.append(np.flatnonzero(found))
    owner = np.concatenate(owner)
    order = np.argsort(owner, kind="stable")
    return np.concatenate(chosen)[order], owner[order]


def _background(rng, objects, crowds, distractors, count, height, width):
    """(B, 4) boxes of IoU < 0.3 with everything, half of them sized like the picture's objects."""
    everything = np.concatenate([objects, crowds, distractors])
    sized_like = objects if len(objects) else distractors
    found = np.zeros((0, 4), np.float32)
    for _ in range(_ROUNDS):
        # sides: log-uniform from 1/16 to 1/2 of the picture's, or an object's times 0.7 to 1.4
        sides = np.exp(rng.uniform(*np.log(BACKGROUND_SIDES), (CANDIDATES, 2))) * [width, height]
        if len(sized_like):
            like = sized_like[rng.integers(len(sized_like), size=CANDIDATES // 2)]
            stretch = np.exp(rng.uniform(-LIKE_AN_OBJECT, LIKE_AN_OBJECT, (CANDIDATES // 2, 2)))
            sides[::2] = (like[:, 2:] - like[:, :2]) * stretch
        sides = np.clip(sides, 2, [max(width, 2), max(height, 2)])
        corner = rng.random((CANDIDATES, 2)) * ([width, height] - sides)
        boxes = _clip(np.concatenate([corner, corner + sides], axis=1), height, width).astype(np.float32)
        free = np.ones(len(boxes), bool)
        if len(everything):
            free &= pairwise_iou(boxes, everything).max(axis=1) < BACKGROUND_IOU
        if len(crowds):  # inside a crowd nothing is background, however large the crowd's box
            free &= covered(boxes, crowds).max(axis=1) < BACKGROUND_IOU
        found = np.concatenate([found, boxes[free]])[:count]
        if len(found) == count:
            break
    return found


def _clip(boxes, height, width):
    return np.clip(boxes, 0, [width, height, width, height])


def unrefined_iou(sample, probes: ImageProbes) -> np.ndarray:
    """(J,) IoU of each jittered box with its object, before any refinement."""
    jittered = probes.kind == JITTERED
    return aligned_iou(
        probes.boxes[jittered], np.asarray(sample.boxes).reshape(-1, 4)[probes.owner[jittered]]
    )
