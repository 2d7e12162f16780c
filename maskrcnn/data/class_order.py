"""Whether a data set numbers its classes as a model does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def check_class_order(learnt: Iterable[str], dataset: Any) -> None:
    """Compare a model's classes with a data set's.

    Args:
        learnt: names of the model's labels 1, 2, ...
        dataset: has `class_names`.

    Raises:
        ValueError: they differ, or their order does.
    """
    mine, theirs = tuple(learnt), tuple(dataset.class_names)
    if mine != theirs:
        raise ValueError(
            f"The model's classes are {mine}, the data set's {theirs}: give it a data set with the same classes in the "
            "same order."
        )
