"""What a data set holds, in numbers: before training on it, and before asking why a network fails on it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..sample import Sample

FEW_OBJECTS = 20  # a class with fewer teaches little, and what is measured of it is chance
CUT_SHARE = 0.3  # of the objects: more than these cut by the picture's edge is worth a word


@dataclass(frozen=True)
class Overview:
    """Numbers of a data set.

    Attributes:
        names: (P,) of the pictures.
        sizes: (P, 2) int, height and width, px.
        amounts: (P,) int, objects of each picture, without crowds.
        boxes: (N, 4) float, xyxy px, of every object but crowds, picture by picture.
        labels: (N,) int from 1; pictures: (N,) int, the place of each object's picture.
        crowds: how many annotations cover a group.
        prints: (P,) a hash of each picture's pixels.
        class_names: of the labels.
        dropped: reason -> how many annotations or pictures the reader left out.
    """

    names: tuple[str, ...]
    sizes: np.ndarray
    amounts: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    pictures: np.ndarray
    crowds: int
    prints: tuple[bytes, ...]
    class_names: tuple[str, ...]
    dropped: Mapping[str, int]

    @property
    def classes(self) -> dict[str, tuple[int, int]]:
        """Class -> its objects, and the pictures that show it."""
        found = {}
        for label, name in enumerate(self.class_names, 1):
            members = self.labels == label
            found[name] = int(members.sum()), len(np.unique(self.pictures[members]))
        return found

    @property
    def sides(self) -> np.ndarray:
        """(N,) the square root of each box's area, px."""
        return np.sqrt(np.prod(self.boxes[:, 2:] - self.boxes[:, :2], axis=1))

    @property
    def duplicates(self) -> list[list[str]]:
        """Groups of names of pictures that are equal, pixel by pixel."""
        groups: dict[bytes, list[str]] = defaultdict(list)
        for key, name in zip(self.prints, self.names, strict=True):
            groups[key].append(name)
        return [group for group in groups.values() if len(group) > 1]

    def problems(self) -> list[str]:
        """What a person should look at before training, a sentence each; the worst first."""
        return [
            *(f"left out by the reader: {count} x {reason}" for reason, count in self.dropped.items()),
            *_absent(self.classes),
            *(f"the same picture {len(group)} times: {_some(group)}" for group in self.duplicates),
            *_empty(self.names, self.amounts),
            *_rare(self.classes),
            *_cut(self.boxes, self.sizes[self.pictures]),
        ]


def overview(
    samples: Iterable[Sample], class_names: Sequence[str], dropped: Mapping[str, int] | None = None
) -> Overview:
    """Reads every sample once.

    Args:
        samples: a `Dataset`, or what goes through one with a progress bar.
        class_names: of the labels.
        dropped: the data set's.

    Returns:
        The `Overview`.
    """
    names, sizes, boxes, labels, amounts, prints, crowds = [], [], [], [], [], [], 0
    for sample in samples:
        one = ~np.asarray(sample.crowd, bool)
        names.append(sample.name)
        sizes.append(sample.image.shape[:2])
        boxes.append(np.asarray(sample.boxes, np.float64)[one])
        labels.append(np.asarray(sample.labels)[one])
        amounts.append(int(one.sum()))
        crowds += int((~one).sum())
        pixels = np.ascontiguousarray(sample.image)
        prints.append(hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest())
    counts = np.array(amounts, int)
    return Overview(
        tuple(names),
        np.array(sizes, int).reshape(-1, 2),
        counts,
        np.concatenate([np.zeros((0, 4)), *boxes]),
        np.concatenate([np.zeros(0, int), *labels]),
        np.repeat(np.arange(len(names)), counts),
        crowds,
        tuple(prints),
        tuple(class_names),
        Counter(dropped or {}),
    )


def common_pictures(one: Overview, other: Overview) -> list[tuple[str, str]]:
    """Names of the pictures that two data sets share: what is tested on must not have been trained on."""
    there = dict(zip(other.prints, other.names, strict=True))
    return [(name, there[key]) for key, name in zip(one.prints, one.names, strict=True) if key in there]


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _absent(classes: Mapping[str, tuple[int, int]]) -> list[str]:
    absent = [name for name, (objects, _) in classes.items() if not objects]
    return [f"no object of {_some(absent)}"] if absent else []


def _empty(names: Sequence[str], amounts: np.ndarray) -> list[str]:
    empty = [name for name, amount in zip(names, amounts, strict=True) if not amount]
    if not empty:
        return []
    return [f"{len(empty)} of {len(names)} pictures without an object, trained on as background: {_some(empty)}"]


def _rare(classes: Mapping[str, tuple[int, int]]) -> list[str]:
    rare = [f"{name} ({objects})" for name, (objects, _) in classes.items() if 0 < objects < FEW_OBJECTS]
    return [f"fewer than {FEW_OBJECTS} objects, too few to learn or to measure: {', '.join(rare)}"] if rare else []


def _cut(boxes: np.ndarray, sizes: np.ndarray) -> list[str]:
    at_edge = (boxes[:, :2] <= 1).any(axis=1) | (boxes[:, 2:] >= sizes[:, ::-1] - 1).any(axis=1)
    if not len(boxes) or at_edge.mean() <= CUT_SHARE:
        return []
    return [f"{at_edge.mean():.0%} of the objects touch the picture's edge: are they tiles of larger pictures?"]
