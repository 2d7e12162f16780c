"""usage: taskprune evaluate RECIPE [--file model.keras] [--flags]

Measure each task of a saved model on the held-out samples of a recipe.

Prints a table for every task, with what a trivial predictor gets (floor), and writes them all as JSON.

  --file MODEL                  a saved model, or the folder of a training or sweep; if not given, the dense one of
                                the recipe's first seed
  --output FILE                 the JSON file; if not given, beside the model
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError
from experiments.settings.flags import read_settings
from experiments.settings.places import find_model
from experiments.settings.recipe import Recipe

if TYPE_CHECKING:
    from rich.table import Table

    from experiments.declaration import Task
    from experiments.problem import Problem


class Evaluate(Recipe):
    """A recipe, whose data and evaluation count, and the model to measure."""

    needs_name = False

    file: str | None = None
    """the saved model; the dense one of the recipe's first seed, in results/<name>/runs, if not given."""
    output: str | None = None
    """the JSON file; if not given, beside the model with the ending .evaluation.json, and
    results/<name>/dense.evaluation.json for the recipe's own."""


def measure(problem: Problem, path: Path) -> dict[str, Any]:
    """Every measure of a saved model on the recipe's held-out samples, and their floors.

    Raises:
        UserError: the model or the data cannot be used.
    """
    split = problem.recipe.evaluation.split
    model = problem.load(path)
    found = problem.evaluate_in_detail(model, split)
    return {
        "model": str(path),
        "problem": problem.declaration().problem,
        "split": split,
        "samples": problem.examples(split),
        "floors": problem.floors(split),
        **found,
    }


def table(task: Task, measures: Mapping[str, float], floor: Mapping[str, float]) -> Table:
    """One task's measures, for the terminal."""
    from rich.table import Table

    known = {measure.name: measure for measure in task.measures}
    shown = Table(title=task.title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    shown.add_column("measure")
    shown.add_column("value", justify="right")
    shown.add_column("floor", justify="right")
    shown.add_column("what it is")
    for name, value in measures.items():
        described = known[name].description if name in known else ""
        shown.add_row(name, _figure(value), _figure(floor.get(name, math.nan)), described)
    return shown


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def main(arguments: Sequence[str]) -> int:
    settings = read_settings(Evaluate, __doc__ or "", arguments)
    from experiments.runs import tensorflow_setup  # isort: skip  # before anything that imports TensorFlow
    from rich.console import Console

    from experiments.lookup import open_problem
    from experiments.runs.grid import dense_runs
    from experiments.runs.run_folder import plain, write_text
    from experiments.runs.sweep_folder import folder_of

    tensorflow_setup.prepare(settings.threads)
    problem = open_problem(settings)
    if settings.evaluation.split not in problem.splits:
        raise UserError(f"there is no split {settings.evaluation.split!r}: there are {', '.join(problem.splits)}")
    folder = folder_of(settings)
    own = folder / "runs" / dense_runs(settings)[0].name / "model.keras"
    path = find_model(settings.file) if settings.file else own
    found = measure(problem, path)
    console = Console(highlight=False)
    count = f"{found['samples']} samples of " if found["samples"] > 1 else ""
    console.print(f"{found['model']} on {count}the {found['split']} split")
    for task in problem.declaration().tasks:
        console.print(table(task, found["measures"][task.name], found["floors"].get(task.name, {})))
    beside = path.with_suffix(".evaluation.json") if settings.file else folder / "dense.evaluation.json"
    output = Path(settings.output or beside)
    write_text(output, json.dumps(plain(found), indent=1) + "\n")
    console.print(f"written: {output}", soft_wrap=True)
    return 0
