"""Average precision of pictures drawn again, for intervals by bootstrap, without matching again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from maskrcnn.evaluation.end_to_end.ap import RECALL_POINTS, Matched


@dataclass(frozen=True, eq=False)
class RankedDetections:
    """Every detection of some pictures with what it was matched with.

    Detections are matched picture by picture, so that a picture drawn twice has its detections twice.

    Attributes:
        samples: N pictures.
        classes: for each class with an object: `picture` (D,) int, of its detections, best first; `right` and `wrong`
            (T, D) bool, at each IoU threshold (neither: it does not count, as on a crowd); `objects` (N,) of each
            picture.
    """

    samples: int
    classes: tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], ...]

    @classmethod
    def of(cls, matched: Matched, pictures: int) -> RankedDetections:
        """Those of `match`, all sizes together."""
        objects, found, classes = matched.objects, matched.found, []
        right, wrong = (matched.mate >= 0) & ~matched.ignored, (matched.mate < 0) & ~matched.ignored
        for category in np.unique(objects.category[~objects.crowd]):
            mine = np.flatnonzero(found.category == category)
            mine = mine[np.argsort(-found.score[mine], kind="stable")]  # as pycocotools sorts
            wanted = objects.picture[(objects.category == category) & ~objects.crowd]
            count = np.bincount(wanted, minlength=pictures).astype(float)
            classes.append((found.picture[mine], right[:, mine], wrong[:, mine], count))
        return cls(pictures, tuple(classes))

    def drawn(self, times: np.ndarray) -> np.ndarray:
        """AP where each picture counts so many times.

        Args:
            times: (B, N), of B draws.

        Returns:
            (B,) float64; a class without an object is left out of its draw's mean, which is NaN where none is left.
        """
        return np.array([self._ap(np.asarray(one, float)) for one in times])

    def _ap(self, times: np.ndarray) -> float:
        values = []
        for picture, right, wrong, objects in self.classes:
            total = times @ objects
            if total <= 0:
                continue
            weights = times[picture]
            hits, misses = np.cumsum(right * weights, axis=1), np.cumsum(wrong * weights, axis=1)
            precision = hits / np.maximum(hits + misses, np.spacing(1))
            precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            precision = np.concatenate([precision, np.zeros((len(precision), 1))], axis=1)  # recalls never reached
            read = [
                one[np.searchsorted(reached, RECALL_POINTS, side="left")]
                for one, reached in zip(precision, hits / total, strict=True)
            ]
            values.append(np.mean(read))
        return float(np.mean(values)) if values else math.nan
