"""Where files that a recipe names are looked for."""

from __future__ import annotations

import os
from pathlib import Path

from experiments.errors import UserError


def find(path: str, what: str, *folders: str | None) -> Path:
    """The path itself, or the first of `folders` that it exists in.

    Raises:
        UserError: it exists in none of them; says where it was looked for.
    """
    places = [Path(path), *(Path(folder) / path for folder in folders if folder)]
    for place in places:
        if place.exists():
            return place
    tried = ", ".join(str(place) for place in dict.fromkeys(places))
    raise UserError(
        f"{what} {path!r} does not exist; looked for {tried}. Correct it, or set $TASKPRUNE_DATA to the "
        "folder that holds it"
    )


def find_data(path: str) -> Path:
    """A file or folder of pictures: as it is, in $TASKPRUNE_DATA, or in ../shared/data."""
    return find(path, "data", os.environ.get("TASKPRUNE_DATA"), "../shared/data")


def find_weights(path: str) -> Path:
    """A file of weights: as it is, in $TASKPRUNE_WEIGHTS, weights/ beside $TASKPRUNE_DATA, or ../shared/weights."""
    data = os.environ.get("TASKPRUNE_DATA")
    beside = f"{data}/../weights" if data else None
    return find(path, "weights", os.environ.get("TASKPRUNE_WEIGHTS"), beside, "../shared/weights")
