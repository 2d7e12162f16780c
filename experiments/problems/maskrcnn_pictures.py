"""A recipe's annotated pictures, split by split, with the probe boxes that the tasks are asked on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import maskrcnn
from experiments.errors import UserError
from experiments.problems.maskrcnn_settings import DataSettings, DetectorEvaluation
from experiments.settings.places import find_data
from maskrcnn.evaluation import ProbeSet, probe_set

_CHOICE = 20_011  # keeps the choice of pictures apart from other streams of a seed


def dataset(data: DataSettings, split: str, class_names: tuple[str, ...] | None = None) -> maskrcnn.data.Dataset:
    """The pictures of a split.

    Args:
        data: the settings.
        split: "train", "tune" or "test".
        class_names: those of a model that the pictures are for; the data's own if None.

    Raises:
        UserError: a needed setting is missing, a folder or file is, or the annotations are faulty.
    """
    if data.kind == "shapes":
        count, seed = getattr(data, f"{split}_count"), getattr(data, f"{split}_seed")
        return maskrcnn.data.shapes(count, data.size, seed, level=data.level)
    path = getattr(data, split)
    if path is None:
        raise UserError(f"data.{split} is not set: kind {data.kind!r} needs the path of its annotations")
    found = find_data(path)
    try:
        if data.kind == "coco":
            images = getattr(data, f"{split}_images")
            folder = find_data(images) if images else found.parent
            return maskrcnn.data.load_coco(found, folder, data.strict, class_names, data.exif)
        if data.kind == "labelme":
            return maskrcnn.data.load_labelme(found, data.strict, class_names, data.exif)
        if data.kind == "masks":
            return maskrcnn.data.load_masks(found, data.strict, data.class_name, class_names, data.exif)
        return maskrcnn.data.load_via(
            found, data.strict, data.class_attribute, data.class_name, class_names, data.exif
        )
    except maskrcnn.data.DataError as error:
        raise UserError(str(error)) from None


class Pictures:
    """A recipe's data, read when asked for; the same for all its seeds.

    Args:
        data, evaluation: the recipe's sections.

    Attributes:
        dropped: lines on what was left out of the data.
    """

    def __init__(self, data: DataSettings, evaluation: DetectorEvaluation) -> None:
        self._data, self._evaluation = data, evaluation
        self._splits: dict[str, maskrcnn.data.Dataset] = {}
        self._probes: dict[str, ProbeSet] = {}
        self.dropped: list[str] = []
        self._class_names: tuple[str, ...] | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the recipe names."""
        every = ("train", "tune", "test")
        return tuple(split for split in every if self._data.kind == "shapes" or getattr(self._data, split))

    def expect(self, class_names: tuple[str, ...]) -> None:
        """Take the classes from a model: the training pictures need not be at hand to measure one."""
        if "train" not in self._splits:
            self._class_names = class_names

    def check_trainable(self, max_instances: int) -> list[str]:
        """Lines on what training would leave out.

        Raises:
            UserError: there is nothing to train on.
        """
        try:
            self["train"].check_trainable()
        except maskrcnn.data.DataError as error:
            raise UserError(str(error)) from None
        surplus = self["train"].surplus(max_instances)
        return [] if surplus is None else [surplus]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes: those of a model that is measured, else as the training pictures give them."""
        return self._class_names or self["train"].class_names

    def __getitem__(self, split: str) -> maskrcnn.data.Dataset:
        if split not in self._splits:
            found = dataset(self._data, split, None if split == "train" else self.class_names)
            if found.dropped:
                faults = ", ".join(f"{count} x {reason}" for reason, count in found.dropped.items())
                self.dropped.append(f"{found.name}: left out {faults}")
            limit = self._evaluation.limit
            if split != "train" and limit is not None:
                found = found.subset(range(min(limit, len(found))))
            self._splits[split] = found
        return self._splits[split]

    def probes(self, split: str) -> ProbeSet:
        """The boxes that tasks are asked on in the pictures of a split."""
        if split not in self._probes:
            self._probes[split] = probe_set(self[split], self._evaluation.probe_seed)
        return self._probes[split]

    def objects(self, split: str) -> int:
        """Mean number of objects of a picture, rounded up."""
        objects = sum(len(probes.mask_boxes) for probes in self.probes(split))
        return max(1, math.ceil(objects / len(self[split])))

    def some(self, count: int, seed: int) -> maskrcnn.data.Dataset:
        """So many training pictures, which the seed chooses; all if there are fewer."""
        order = np.random.default_rng([seed, _CHOICE]).permutation(len(self["train"]))
        return self["train"].subset([int(index) for index in order[:count]])

    def busiest(self, split: str, count: int) -> list[Any]:
        """The samples with the most objects among the first fifty: they show the most."""
        pictures = self[split]
        amounts = [len(pictures[i].labels) for i in range(min(50, len(pictures)))]
        return [pictures[int(i)] for i in sorted(np.argsort(-np.asarray(amounts), kind="stable")[:count])]
