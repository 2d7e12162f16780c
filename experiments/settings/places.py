"""Where files that a recipe names are looked for."""

from __future__ import annotations

import os
import re
from pathlib import Path

from experiments.errors import UserError

_DENSE = re.compile(r"dense-(?:(?P<model>.+)-)?s(?P<seed>\d+)(?:-\w+)?")


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


def find_model(place: str | Path) -> Path:
    """A saved model: its file, that of a run's folder, or of a sweep's folder the dense one of its first seed.

    Args:
        place: a file or folder, or a pattern of one, such as results/mine/runs/taylor-*: a shell leaves those of
            NAME=PATTERN as they are.

    Raises:
        UserError: there is none, or more than one; says what there is.
    """
    place = _matching(Path(place))
    if not place.is_dir():
        return place  # whoever reads it says what is wrong with it
    if (place / "model.keras").is_file():
        return place / "model.keras"
    runs = place if place.name == "runs" else place / "runs"
    found = sorted(runs.glob("dense-*/model.keras"), key=_seed)
    models = list(dict.fromkeys(_model(path) for path in found))
    if len(models) > 1:
        raise UserError(
            f"{place} holds dense models of {', '.join(models)}: name the run, such as {found[0].parent}"
        )
    if found:
        return found[0]
    others = sorted(place.glob("*.keras"))
    if len(others) == 1:
        return others[0]
    there = f"it holds {', '.join(path.name for path in others)}: name one" if others else "it holds none"
    raise UserError(
        f"{place}: no runs/dense-*/model.keras in this folder, and {there}. Give a .keras file, or the folder that "
        "`taskprune train` wrote; its training may not be finished"
    )


def _matching(place: Path) -> Path:
    """The one file or folder that a pattern means."""
    if place.exists() or "*" not in str(place):
        return place
    found = sorted(Path(place.anchor or ".").glob(str(place.relative_to(place.anchor))))
    if len(found) == 1:
        return found[0]
    some = ", ".join(map(str, found[:3])) + (", ..." if len(found) > 3 else "")
    raise UserError(f"{place} matches {f'{len(found)} of them: {some}; name one' if found else 'nothing'}")


def _seed(model: Path) -> tuple[int, str]:
    found = _DENSE.fullmatch(model.parent.name)
    return int(found["seed"]) if found else 0, model.parent.name


def _model(path: Path) -> str:
    """What a grid calls the model; "" where it compares none."""
    found = _DENSE.fullmatch(path.parent.name)
    return (found["model"] or "") if found else ""
