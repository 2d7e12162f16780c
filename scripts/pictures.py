"""The pictures of a sweep: to train on, held out with their probes, and the few that pruning looks at."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import building
import maskrcnn
from maskrcnn.evaluation import ProbeSet, columns, floors, probe_set
from progress import Meter
from settings import Recipe

_CHOICE = 20_011  # keeps the choice of pictures apart from other streams of a seed


class Pictures:
    """A recipe's data; the same for all its seeds.

    Args:
        recipe: the experiment.
        work: where progress is reported.

    Raises:
        UserError, DataError: the data cannot be read.
    """

    def __init__(self, recipe: Recipe, work: Meter) -> None:
        self._recipe, self._work = recipe, work
        work.say("reading the data")
        self.train = self._read("train")

    @functools.cached_property
    def test(self) -> maskrcnn.data.Dataset:
        """The held-out pictures that count."""
        found, limit = self._read("test"), self._recipe.evaluation.limit
        return found if limit is None else found.subset(range(min(limit, len(found))))

    @functools.cached_property
    def probes(self) -> ProbeSet:
        """The boxes that tasks are asked on in the held-out pictures."""
        return probe_set(self.test, self._recipe.evaluation.probe_seed)

    def _read(self, split: str) -> maskrcnn.data.Dataset:
        found = building.dataset(self._recipe.data, split, None if split == "train" else self.train.class_names)
        if found.dropped:
            faults = ", ".join(f"{count} x {reason}" for reason, count in found.dropped.items())
            self._work.note(f"{found.name}: left out {faults}")
        return found

    @property
    def objects(self) -> int:
        """Mean number of objects of a held-out picture, rounded up."""
        objects = sum(len(probes.mask_boxes) for probes in self.probes)
        return max(1, math.ceil(objects / len(self.test)))

    def floor(self) -> dict[str, Any]:
        """Measures of trivial predictors, as columns of a row."""
        return columns(floors(self.test, self.probes))

    def some(self, count: int, seed: int, config: maskrcnn.MaskRCNNConfig, batch_size: int) -> list[dict[str, Any]]:
        """Batches of some training pictures as they are, in memory.

        Args:
            count: of pictures; all if there are fewer.
            seed: decides which.
            config: the model's.
            batch_size: the last batch may be smaller.
        """
        order = np.random.default_rng([seed, _CHOICE]).permutation(len(self.train))
        chosen = self.train.subset([int(index) for index in order[:count]])
        return list(maskrcnn.data.batches(chosen, config, batch_size, training=False))
