"""A recipe's annotated pictures, split by split, with the probe boxes that the tasks are asked on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import maskrcnn
from experiments.errors import UserError
from experiments.problems.maskrcnn.maskrcnn_data import SPLITS, AnnotatedPictures
from experiments.problems.maskrcnn.maskrcnn_settings import DataSettings, DetectorEvaluation
from maskrcnn.evaluation import KnownTruth, ProbeSet, probe_set

_CHOICE = 20_011  # keeps the choice of pictures apart from other streams of a seed
_CROWD = 30  # objects: the names of more hide a picture


class Pictures:
    """A recipe's data, read when asked for; the same for all its seeds.

    Args:
        data, evaluation: the recipe's sections.

    Attributes:
        dropped: lines on what was left out of the data.
    """

    def __init__(self, data: DataSettings, evaluation: DetectorEvaluation) -> None:
        self._data, self._evaluation = data, evaluation
        self._annotated = None if data.kind == "shapes" else AnnotatedPictures(data)
        self._splits: dict[str, maskrcnn.data.Dataset] = {}
        self._probes: dict[str, ProbeSet] = {}
        self._known: dict[str, KnownTruth] = {}
        self.dropped: list[str] = []
        self._class_names: tuple[str, ...] | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that there are."""
        return SPLITS if self._annotated is None else self._annotated.splits

    def notes(self) -> list[str]:
        """Lines on what was found, or held out, without the recipe's naming it."""
        return [] if self._annotated is None else self._annotated.notes()

    def expect(self, class_names: tuple[str, ...]) -> None:
        """Take the classes from a model: the training pictures need not be at hand to measure one."""
        if "train" not in self._splits:
            self._class_names = class_names

    def check_trainable(self, config: maskrcnn.MaskRCNNConfig) -> list[str]:
        """Lines on objects that are too many in a picture for training or detection, with the settings.

        Raises:
            UserError: there is nothing to train on.
        """
        try:
            self["train"].check_trainable()
        except maskrcnn.data.DataError as error:
            raise UserError(str(error)) from None
        lines = [self["train"].surplus(config.max_instances), _too_many([self["train"], self["test"]], config)]
        return [line for line in lines if line is not None]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes: those of a model that is measured, else as the training pictures give them."""
        return self._class_names or self["train"].class_names

    def __getitem__(self, split: str) -> maskrcnn.data.Dataset:
        if split not in self._splits:
            found = self._read(split)
            if found.dropped:
                faults = ", ".join(f"{count} x {reason}" for reason, count in found.dropped.items())
                line = f"{found.name.partition('[')[0]}: left out {faults}"  # all parts of one set say the same
                self.dropped += [line] * (line not in self.dropped)
            limit = self._evaluation.limit
            if split != "train" and limit is not None:
                found = found.subset(range(min(limit, len(found))))
            most = self._data.train_pictures
            if split == "train" and most is not None and most < len(found):
                order = np.random.default_rng([self._data.split_seed, _CHOICE]).permutation(len(found))
                found = found.subset(sorted(order[:most].tolist()))
            self._splits[split] = found
        return self._splits[split]

    def _read(self, split: str) -> maskrcnn.data.Dataset:
        data = self._data
        if self._annotated is not None:
            return self._annotated.read(split, None if split == "train" else self.class_names)
        count, seed = getattr(data, f"{split}_count"), getattr(data, f"{split}_seed")
        return maskrcnn.data.shapes(count, data.size, seed, level=data.level)

    def probes(self, split: str) -> ProbeSet:
        """The boxes that tasks are asked on in the pictures of a split."""
        if split not in self._probes:
            self._probes[split] = probe_set(self[split], self._evaluation.probe_seed)
        return self._probes[split]

    def known(self, split: str) -> KnownTruth:
        """What no model changes of the measures on a split, worked out once for all of them."""
        if split not in self._known:
            self._known[split] = KnownTruth(self[split])
        return self._known[split]

    def objects(self, split: str) -> int:
        """Mean number of objects of a picture, rounded up."""
        objects = sum(len(probes.mask_boxes) for probes in self.probes(split))
        return max(1, math.ceil(objects / len(self[split])))

    def some(self, count: int, seed: int) -> maskrcnn.data.Dataset:
        """So many training pictures, which the seed chooses; all if there are fewer."""
        order = np.random.default_rng([seed, _CHOICE]).permutation(len(self["train"]))
        return self["train"].subset([int(index) for index in order[:count]])

    def busiest(self, split: str, count: int) -> list[Any]:
        """The samples among the first fifty that show the most: most classes, then most objects, but no crowd.

        Where there are over thirty objects, their names hide the picture: such samples come last.
        """
        pictures = self[split]
        labels = [pictures[i].labels for i in range(min(50, len(pictures)))]
        shown = [(len(of) <= _CROWD, len(np.unique(of)), len(of)) for of in labels]
        best = sorted(range(len(shown)), key=shown.__getitem__, reverse=True)  # stable: the earlier of two alike
        return [pictures[i] for i in sorted(best[:count])]


def _too_many(splits: list[maskrcnn.data.Dataset], config: maskrcnn.MaskRCNNConfig) -> str | None:
    """A sentence where a picture holds more objects than a model of this configuration can find."""
    found, most = max(((one, max(one.entry(i).objects for i in range(len(one)))) for one in splits), key=lambda f: f[1])
    if most <= min(config.detections_per_image, config.post_nms_test):
        return None
    wanted = {
        "max_instances": most,
        "detections_per_image": most,
        "pre_nms_train": 2 * most,
        "post_nms_train": 2 * most,
        "pre_nms_test": 2 * most,
        "post_nms_test": 2 * most,
    }
    flags = [f"--model.{name} {value}" for name, value in wanted.items() if getattr(config, name) < value]
    return (
        f"{found.name}: pictures hold up to {most} objects, and at most {config.detections_per_image} are found of "
        f"{config.post_nms_test} proposals (detections_per_image, post_nms_test): the others are missed. For all of "
        f"them: {' '.join(flags)}"
    )
