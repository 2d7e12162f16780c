"""Which samples go into which part of a split."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import PurePath

import numpy as np

from .sample import DataError

Key = Callable[[str], Hashable] | str


def key_of(name: str, by: Key) -> Hashable:
    """What a sample's name is grouped by: `by(name)`, or an attribute of the name as a path.

    Raises:
        DataError: if paths have no such attribute.
    """
    if callable(by):
        return by(name)
    try:
        return str(getattr(PurePath(name), by))
    except AttributeError:
        raise DataError(f'by={by!r}: a path has no such attribute; take "parent" or "stem", or a function.') from None


def assign(keys: Sequence[Hashable], parts: Sequence[float], seed: int, name: str) -> list[list[int]]:
    """Splits positions into parts, those of one key together.

    Args:
        keys: a key for each position.
        parts: fractions that sum to at most 1, or numbers of positions.
        seed: of the order in which keys are dealt out.
        name: of the data set, for messages.

    Returns:
        The positions of each part, in drawn order.

    Raises:
        DataError: for parts that cannot be, or one that would be empty.
    """
    wanted = _sizes(parts, len(keys), name)
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for position, key in enumerate(keys):
        groups[key].append(position)
    order = np.random.default_rng(seed).permutation(len(groups))
    drawn = [list(groups.values())[i] for i in order]
    # The largest first, or the last part would have to take what is left of them.
    drawn.sort(key=len, reverse=True)
    found: list[list[int]] = [[] for _ in wanted]
    for group in drawn:
        short = [want - len(rows) for want, rows in zip(wanted, found, strict=True)]
        if max(short) > 0:
            found[int(np.argmax(short))] += group
    if not all(found):
        raise DataError(
            f"{name}: part {found.index([])} of the split {list(parts)} would be empty: {len(keys)} samples in "
            f"{len(groups)} groups. Take fewer parts, or a finer `by`.",
            "empty dataset",
        )
    return found


def _sizes(parts: Sequence[float], count: int, name: str) -> list[int]:
    """How many positions each part is to have."""
    whole = all(isinstance(part, int | np.integer) for part in parts)
    total = sum(parts)
    if not len(parts) or min(parts) <= 0 or total > (count if whole else 1 + 1e-9):
        raise DataError(
            f"{name}: cannot be split into {list(parts)}; give fractions that sum to at most 1, or numbers of its "
            f"{count} samples."
        )
    if whole:
        return [int(part) for part in parts]
    ends = [math.floor(count * sum(parts[: i + 1]) + 0.5) for i in range(len(parts))]
    return [end - begin for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
