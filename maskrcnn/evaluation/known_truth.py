"""What a data set's masks say by themselves, kept for every model that is measured on them."""

from __future__ import annotations

import numpy as np

from maskrcnn.evaluation.end_to_end.mask_runs import Rows, runs_of_objects
from maskrcnn.evaluation.floors import mask_ceiling


class KnownTruth:
    """Run lengths of the objects and ceilings of their masks, each worked out when it is first asked for.

    Pictures are told apart by their number.

    Args:
        dataset: the `Dataset` that they are of.
    """

    def __init__(self, dataset) -> None:
        self.dataset = dataset
        self._runs: dict[int, Rows] = {}
        self._ceilings: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def runs(self, number: int, sample) -> Rows:
        """COCO run lengths of a picture's objects."""
        if number not in self._runs:
            self._runs[number] = runs_of_objects(sample.cut_masks)
        return self._runs[number]

    def mask_ceiling(self, number: int, sample, probes, mask_size: int) -> tuple[np.ndarray, np.ndarray]:
        """What a perfect mask head of this size gets: see `maskrcnn.evaluation.floors.mask_ceiling`."""
        if (number, mask_size) not in self._ceilings:
            self._ceilings[number, mask_size] = mask_ceiling(sample, probes, mask_size)
        return self._ceilings[number, mask_size]
