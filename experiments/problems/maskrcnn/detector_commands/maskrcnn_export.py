"""usage: taskprune export MODEL [--format litert] [--flags]

Write a detector for another runtime: a picture as bytes in, boxes, classes, scores and masks out. docs/export.md says
what each format holds, and how to run it.

MODEL is a saved model, or the folder of a run or a sweep, such as results/mine; several may be given, each as
NAME=MODEL if its file's name is not to be its name.

  --format F ...                tf_saved_model, litert (default), onnx, openvino; several write a file each
  --precision P ...             of litert: float32 (default), float16, int8; int8 is calibrated on pictures
  --size HEIGHT WIDTH           px of the pictures that the file takes; if not given, any size for tf_saved_model and
                                onnx, and for the others the model's own sizes
  --max_detections N            of a picture; the model's own limit if not given
  --score_threshold X           only detections above it; the model's own if not given
  --masks box                   small masks in each box, in place of masks of the whole picture
  --output PLACE                the file, if it is one, or a folder (default: exported)
  --pictures PLACE ...          picture files or folders, to calibrate int8 and to compare on
  --compare                     run each file and the model on pictures: same detections, time, and AP where the
                                pictures are a recipe's
  --table FOLDER                the same, written as exports.csv and exports.md
  --recipe RECIPE               whose pictures count in place of --pictures; if not given, that of the folder MODEL
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from experiments.errors import UserError
from experiments.settings.flags import read_settings, split_recipe
from experiments.settings.places import find_model
from experiments.settings.recipe import Count, Fraction, Recipe

if TYPE_CHECKING:
    import maskrcnn

_CALIBRATION = 32  # pictures that int8 is calibrated on
_COMPARED = 8  # pictures that a file and its model are compared on, if a recipe gives them


class Export(Recipe):
    """A recipe, whose pictures count, and what to write."""

    needs_name = False

    file: tuple[str, ...] = ()
    """the saved models, or folders of runs or sweeps, as NAME=MODEL or MODEL."""
    format: tuple[Literal["tf_saved_model", "litert", "onnx", "openvino"], ...] = ("litert",)
    """of the files."""
    precision: tuple[Literal["float32", "float16", "int8"], ...] = ("float32",)
    """of litert files; the others are written in float32."""
    size: tuple[Count, Count] | None = None
    """height and width, px, of the pictures that the file takes; if not given, any, or the model's own sizes."""
    max_detections: Count | None = None
    """of a picture; the model's own limit if not given."""
    score_threshold: Fraction | None = None
    """only detections above it; the model's own if not given."""
    masks: Literal["picture", "box"] = "picture"
    """of the whole picture, or small ones in each box."""
    output: str = "exported"
    """the file, if it is one, or a folder."""
    pictures: tuple[str, ...] = ()
    """picture files or folders, to calibrate int8 and to compare on."""
    compare: bool = False
    """run each file, and compare it with the model."""
    table: str | None = None
    """folder for the table of the comparison."""


def export_models(settings: Export, recipe: str | None, say: Callable[[str], None] = print) -> list[Path]:
    """Write the files, and compare them if that is asked for.

    Args:
        settings: what to write.
        recipe: what gave the settings their data; None: no recipe, whose pictures then do not count.
        say: takes a line on each file.

    Returns:
        the files' paths, each with its sidecar.

    Raises:
        UserError: a model, a choice, a package or the pictures cannot be used, or a place cannot be written.
    """
    from experiments.problems.maskrcnn.detector_commands.export_table import ExportTable
    from experiments.problems.maskrcnn.maskrcnn_start import load

    models = {name: find_model(place) for name, place in _named(settings.file).items()}
    places = _places(settings, list(models))
    data = _Pictures(settings, recipe)
    table = ExportTable(settings, data) if settings.compare or settings.table else None
    for name, path in models.items():
        model = load(path)
        if table is not None:
            table.begin(name, model, path)
        quantised = None
        for format, precision in _kinds(settings):
            source = model
            if precision == "int8":
                source = quantised = quantised or _quantised(model, data)
            try:
                written = source.export(
                    places[name, format, precision], format, settings.size, settings.max_detections,
                    settings.score_threshold, settings.masks, precision,
                )  # fmt: skip
            except (ValueError, ImportError) as error:
                raise UserError(str(error)) from None
            except OSError as error:
                raise UserError(f"{error.filename or settings.output} cannot be written ({error.strerror})") from None
            say(f"written: {written}")
            if table is not None:
                table.add(written)
                if settings.table:  # again for each: a long comparison that is stopped leaves what it has
                    table.write(Path(settings.table))
    if table is not None:
        table.show()
        if settings.table:
            say(f"table: {settings.table}/exports.md")
    return [path for (_, format, _), path in places.items()]


class _Pictures:
    """The pictures that the settings name, or those of the recipe."""

    def __init__(self, settings: Export, recipe: str | None) -> None:
        self._files, self.recipe, self._settings = settings.pictures, recipe, settings
        self._problem: Any = None

    @property
    def problem(self) -> Any:
        """The recipe's problem, whose held-out pictures have objects to measure; None without a recipe."""
        if self._problem is None and self.recipe is not None and not self._files:
            from experiments.lookup import open_problem

            self._problem = open_problem(self._settings)
        return self._problem

    def held_out(self) -> Any:
        """The recipe's held-out pictures with their objects; None where pictures are named, or there is no recipe."""
        return None if self.problem is None else self.problem.pictures[self._settings.evaluation.split]

    def compared(self) -> list[np.ndarray]:
        """The pictures that files and models are compared on."""
        held_out = self.held_out()
        if held_out is None:
            return self._read("to compare on")
        return [held_out[index].image for index in range(min(_COMPARED, len(held_out)))]

    def calibration(self, model: maskrcnn.MaskRCNN) -> list[dict]:
        """Batches that int8 is calibrated on, as the model is called on them."""
        if self.problem is not None:
            return self.problem.calibration(_CALIBRATION, 0)
        from maskrcnn.data.placement import place
        from maskrcnn.detection.inference import as_float
        from maskrcnn.network.preprocessing import fit

        batches = []
        for image in self._read("to calibrate int8 on")[:_CALIBRATION]:
            size = place(image.shape[:2], model.config).size
            picture = fit(as_float(image), np.array(size), model.config)
            batches.append({"image": picture[None], "image_size": np.array([size], np.float32)})
        return batches

    def _read(self, why: str) -> list[np.ndarray]:
        from experiments.problems.maskrcnn.detector_commands.maskrcnn_detect import picture_files
        from maskrcnn.data import DataError, read_picture

        if not self._files:
            raise UserError(
                f"no pictures are named {why}: --pictures FOLDER, or --recipe RECIPE, or the folder of a sweep as MODEL"
            )
        try:
            return [read_picture(path) for path in picture_files(self._files)]
        except DataError as error:
            raise UserError(str(error)) from None


def _quantised(model: maskrcnn.MaskRCNN, data: _Pictures) -> maskrcnn.MaskRCNN:
    """The model with its network quantised in 8 bits, which the converter writes as whole numbers."""
    import pruning

    try:
        return pruning.quantize(model, data.calibration(model), bits=8)
    except ValueError as error:
        raise UserError(f"int8: {error}") from None


def _named(given: Sequence[str]) -> dict[str, str]:
    """Name -> model of every NAME=MODEL or MODEL; the file's name, or the run's or sweep's."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, place = one.partition("=")
        if not equals:
            path = find_model(one)
            name, place = (path.absolute().parent.name if path.name == "model.keras" else path.stem), one
        if not name or not place:
            raise UserError(f"{one}: expected MODEL, or NAME=MODEL")
        if name in found:
            raise UserError(f"two models are called {name!r}: give each a name of its own, NAME=MODEL")
        found[name] = place
    return found


def _kinds(settings: Export) -> Iterator[tuple[str, str]]:
    """Format and precision of every file of a model."""
    for format in settings.format:
        yield from itertools.product([format], settings.precision if format == "litert" else ["float32"])


def _places(settings: Export, names: Sequence[str]) -> dict[tuple[str, str, str], Path]:
    """(model, format, precision) -> the path to write to."""
    from maskrcnn.export import FORMATS

    every = list(itertools.product(names, _kinds(settings)))
    output = Path(settings.output)
    endings = [ending for ending in FORMATS.values() if ending]
    if output.suffix in endings:
        if len(every) > 1:
            raise UserError(f"--output {output} is one file, and {len(every)} are to be written: name a folder")
        (name, kind) = every[0]
        return {(name, *kind): output}
    found = {}
    for name, (format, precision) in every:
        ending = FORMATS[format] or "-saved_model"
        found[name, format, precision] = output / f"{name}{'' if precision == 'float32' else f'-{precision}'}{ending}"
    return found


def main(arguments: Sequence[str]) -> int:
    given, places = list(arguments), []
    while given and not given[0].startswith("-"):
        places.append(given.pop(0))
    asks = any(flag in given for flag in ("-h", "--help", "--help-all"))
    if not places and not asks:
        raise UserError("no model is named: taskprune export MODEL --format litert")
    recipe, given = split_recipe(given)
    if not recipe and len(places) == 1 and (Path(places[0].partition("=")[2] or places[0]) / "recipe.yaml").is_file():
        recipe = [places[0].partition("=")[2] or places[0]]
    settings = read_settings(Export, __doc__ or "", [*recipe, *(["--file", *places] if places else []), *given])
    from experiments.runs import tensorflow_setup  # isort: skip  # before anything that imports TensorFlow

    tensorflow_setup.prepare(settings.threads)
    has_data = any(flag.startswith("--data.") for flag in given)
    export_models(settings, recipe[0] if recipe else "the flags" if has_data else None)
    return 0
