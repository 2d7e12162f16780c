"""usage: taskprune inspect MODEL PICTURE [--against OTHER] [--recipe RECIPE] [--flags]

Look inside a Mask R-CNN: write a page with every stage of one picture, from the anchors to the composed result.

MODEL is a saved model, or the folder of a run or a sweep, such as results/mine. PICTURE is a picture file or, with
data, the number or name of one of the recipe's held-out pictures.

  --against OTHER               a second model, dense or pruned: the page shows both, and what changed at each stage
  --output FOLDER               of the page, index.html with its figures beside it (default: inspection)
  --layers NAME ...             whose activations are shown; some of every part if not given
  --score_threshold X           only detections above it (default: 0.5)
  --recipe RECIPE               its data give the picture's objects, curves, confusion of classes and worst
                                pictures; so do flags alone: --data.kind coco --data.test my/instances.json
  --data_set False              take the picture's objects from the data, and leave the rest out
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import UserError
from experiments.settings.flags import read_settings, split_recipe
from experiments.settings.places import find_model
from experiments.settings.recipe import Fraction, Recipe

if TYPE_CHECKING:
    import maskrcnn


class Inspect(Recipe):
    """A recipe, whose data count, and what to look into."""

    needs_name = False

    file: str = ""
    """the saved model, or the folder of a run or a sweep."""
    picture: str = ""
    """a picture file, or the number or name of one of the data's."""
    against: str | None = None
    """a second model to compare with."""
    output: str = "inspection"
    """folder of the page."""
    layers: tuple[str, ...] = ()
    """whose activations are shown; some of every part if not given."""
    score_threshold: Fraction = 0.5
    """only detections above it."""
    data_set: bool = True
    """also measure the models on the held-out pictures."""


def inspect_model(settings: Inspect, has_data: bool, say: Callable[[str], None] = print) -> Path:
    """Write the page of one model, or of two.

    Args:
        settings: what to look into.
        has_data: whether the settings name data; without, nothing is known of the picture.
        say: takes a line on what is not known.

    Returns:
        the page's path.

    Raises:
        UserError: a model, the picture, a layer or the data cannot be used, or the folder cannot be written.
    """
    from rich.progress import track

    from experiments.lookup import open_problem
    from experiments.problems.maskrcnn.maskrcnn_problem import load
    from maskrcnn import inspect

    paths = [find_model(path) for path in (settings.file, settings.against) if path is not None]
    problem = open_problem(settings) if has_data else None
    models = [load(path) if problem is None else problem.load(path) for path in paths]
    _check_classes(paths, models)
    dataset = None if problem is None else _pictures(problem, paths[0], models[0])
    image, sample, name = _picture(settings.picture, dataset, say)
    folder = Path(settings.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); choose another --output") from None
    try:
        looks = [
            inspect.look_into(
                model, image, title, sample, settings.layers or None, silenced_channels(model), settings.score_threshold
            )
            for title, model in zip(_titles(paths), models, strict=True)
        ]
        panels, text = [], ""
        if problem is not None and dataset is not None and settings.data_set:
            seed = problem.recipe.evaluation.probe_seed
            panels = [inspect.data_panels(model, dataset, probe_seed=seed) for model in models]
            text = f"{len(dataset)} held-out pictures of {dataset.name}, split {settings.evaluation.split!r}."
    except ValueError as error:
        raise UserError(str(error)) from None
    return inspect.write_page(
        folder, name, looks, panels, text, settings.credit or "", progress=lambda work: track(work, "drawing")
    )


def silenced_channels(model: Any) -> dict[str, np.ndarray] | None:
    """Layer -> (C,) bool: channels that a mask silences, read from the weights. None where no channel is silenced."""
    import pruning

    graph = pruning.ChannelGraph(model)
    gone = pruning.silent(graph, zeros=True)  # a file without an optimizer holds no masks
    if not any(one.any() for one in gone.values()):
        return None
    alive, found = graph.alive(gone), {}
    for call in graph.calls:
        channels = graph.channels(call.outputs[0]) if len(call.outputs) == 1 else None
        if channels is not None:
            found[call.layer.name] = ~alive[channels]
    return found


def _check_classes(paths: Sequence[Path], models: Sequence[Any]) -> None:
    names = [model.config.class_names for model in models]
    if len(set(names)) > 1:
        raise UserError(f"{paths[0]} knows the classes {names[0]}, {paths[1]} {names[1]}: expected the same")


def _titles(paths: Sequence[Path]) -> list[str]:
    """What the models are called: the file's name or, as a sweep calls all of them model.keras, the run's."""
    names = [path.absolute().parent.name if path.name == "model.keras" else path.stem for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _pictures(problem: Any, path: Path, model: Any) -> maskrcnn.data.Dataset:
    split = problem.recipe.evaluation.split
    if split not in problem.splits:
        raise UserError(f"there is no split {split!r}: there are {', '.join(problem.splits)}")
    found = problem.pictures[split]
    if tuple(found.class_names) != model.config.class_names:
        raise UserError(
            f"{path} knows the classes {model.config.class_names}, the data {tuple(found.class_names)}: name data of "
            "the model's classes"
        )
    return found


def _picture(wanted: str, dataset: Any, say: Callable[[str], None]) -> tuple[np.ndarray, Any, str]:
    """The picture, its Sample where its objects are known, and what to call it."""
    from maskrcnn.data import DataError, read_picture

    path = Path(wanted)
    is_file = path.is_file()
    try:
        row = None if dataset is None else _row(wanted, dataset, is_file)
        if row is not None:
            sample = dataset[row]
            return sample.image, sample, sample.name
        if is_file:
            if dataset is not None:
                say(f"{path} is not among the data's {len(dataset)} pictures: its objects are not known")
            return read_picture(path), None, path.name
    except DataError as error:
        raise UserError(str(error)) from None
    if dataset is None:
        raise UserError(f"{wanted}: no such picture; with --recipe it may be the number of one of its pictures")
    raise UserError(
        f"{wanted}: no such picture file, and no picture of the data, which have the numbers 0 to {len(dataset) - 1} "
        f"and names such as {dataset.entry(0).name}"
    )


def _row(wanted: str, dataset: Any, is_file: bool) -> int | None:
    """The number of a picture in the data; None if it is not one of them."""
    if not is_file and wanted.isdigit():
        return int(wanted) if int(wanted) < len(dataset) else None
    names = [dataset.entry(index).name for index in range(len(dataset))]
    alike = [row for row, name in enumerate(names) if name == wanted]
    # A data set knows its pictures by their place below its own folder.
    alike = alike or [row for row, name in enumerate(names) if is_file and Path(name).name == Path(wanted).name]
    return alike[0] if len(alike) == 1 else None


def main(arguments: Sequence[str]) -> int:
    given, places = list(arguments), []
    while given and not given[0].startswith("-"):
        places.append(given.pop(0))
    asks = any(flag in given for flag in ("-h", "--help", "--help-all"))
    if len(places) != 2 and not asks:
        raise UserError(
            f"expected a model and a picture, found {len(places)} of them: taskprune inspect MODEL PICTURE --flags"
        )
    recipe, given = split_recipe(given)
    places = [] if asks else ["--file", places[0], "--picture", places[1]]
    settings = read_settings(Inspect, __doc__ or "", [*recipe, *places, *given])
    from experiments.runs import tensorflow_setup  # isort: skip  # before anything that imports TensorFlow

    tensorflow_setup.prepare(settings.threads)
    path = inspect_model(settings, bool(recipe) or any(flag.startswith("--data.") for flag in given))
    print(f"written: {path}")
    return 0
