"""Synthetic pictures with exact masks: nothing to download, the same on every machine.

Sample `i` depends on (seed, i) and the level only, through integer arithmetic; so a dataset of 500 is the
beginning of one of 2,000, and splits differ by seed.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ..dataset import DataError, Dataset, Sample
from .shapes_easy import EASY_CLASSES, easy_picture
from .shapes_hard import HARD_CLASSES, Difficulty, hard_picture

_SMALLEST = 32


def shapes(
    count: int,
    size: int,
    seed: int,
    level: str = "easy",
    difficulty: Difficulty | None = None,
    cache_bytes: int = 256 * 2**20,
) -> Dataset:
    """A dataset of drawn shapes.

    Args:
        count: number of pictures.
        size: height and width, px; object sizes scale with it (they are stated for 128).
        seed: which pictures; use another seed for another split.
        level: "easy" (squares, circles, triangles on a plain ground) or "hard" (eight classes in confusable
            pairs, textured ground, occlusion, distractors).
        difficulty: knobs of the hard level.
        cache_bytes: how much memory drawn pictures may keep; 0 draws each time anew.

    Returns:
        A `Dataset`; its samples' masks are the visible parts, their boxes the masks' extents.

    Raises:
        DataError: for an unknown level, a size under 32 or an empty dataset.
    """
    if level not in ("easy", "hard"):
        raise DataError(f'shapes: level {level!r} is unknown; take "easy" or "hard".')
    if size < _SMALLEST:
        raise DataError(f"shapes: size {size} px is too small to draw in; take at least {_SMALLEST}.")
    if level == "easy" and difficulty is not None:
        raise DataError('shapes: difficulty belongs to level "hard"; the easy level has no knobs.')
    draw = easy_picture if level == "easy" else partial(hard_picture, difficulty=difficulty or Difficulty())

    def read(index: int) -> Sample:
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
        return draw(rng, size, image_id=index, name=f"shapes-{level}/{index}")

    names = EASY_CLASSES if level == "easy" else HARD_CLASSES
    dataset = Dataset(f"shapes-{level}", names, count, read)
    return dataset.cached(cache_bytes) if cache_bytes else dataset
