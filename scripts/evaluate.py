"""Measure each task of a model on held-out pictures: evaluate.py scripts/recipes/balloon.yaml --file x.keras

Prints a table for every task, with what a trivial predictor gets (floor), and writes them all as JSON.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import boot  # noqa: F401
from building import dataset, prepare, saved_model
from command import guarded, read_settings
from grid import dense_run
from maskrcnn.evaluation import MEASURES, TASKS, evaluate_in_detail, floors
from settings import Recipe
from store import plain, write_text


class Evaluate(Recipe):
    """A recipe, whose data and evaluation count, and the model to measure."""

    file: str | None = None
    """the saved model; the dense one of the recipe's first seed, in results/<name>/runs, if not given."""
    output: str | None = None
    """the JSON file; if not given, beside the model with the ending .evaluation.json, and
    results/<name>/dense.evaluation.json for the recipe's own."""


def measure(settings: Evaluate, path: Path) -> dict[str, Any]:
    """Every measure of a saved model on the recipe's held-out pictures, and their floors.

    Raises:
        UserError, DataError: the model or the data cannot be used.
    """
    model = saved_model(path)
    pictures = dataset(settings.data, "test", model.config.class_names)
    wanted = settings.evaluation
    found = evaluate_in_detail(
        model, pictures, batch_size=wanted.batch_size, probe_seed=wanted.probe_seed, limit=wanted.limit
    )
    return {
        "model": str(path),
        "data": pictures.name,
        "pictures": len(found.probes),
        "measures": found.measures,
        "floors": floors(pictures, found.probes),
        "per_class": found.per_class,
    }


def table(task: str, measures: dict[str, float], floor: dict[str, float]) -> Table:
    """One task's measures, for the terminal."""
    shown = Table(title=task, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    shown.add_column("measure")
    shown.add_column("value", justify="right")
    shown.add_column("floor", justify="right")
    shown.add_column("what it is")
    for name, value in measures.items():
        low = floor.get(name, math.nan)
        shown.add_row(name, _figure(value), _figure(low), MEASURES[f"{task}_{name}"].description)
    return shown


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def main() -> int:
    settings = read_settings(Evaluate, __doc__)
    prepare(settings)
    folder = Path(settings.results) / settings.name
    own = folder / "runs" / dense_run(settings, settings.seeds[0]).name / "model.keras"
    path = Path(settings.file or own)
    found = measure(settings, path)
    console = Console(highlight=False)
    console.print(f"{found['model']} on {found['pictures']} pictures of {found['data']}")
    for task in TASKS:
        console.print(table(task, found["measures"][task], found["floors"][task]))
    beside = path.with_suffix(".evaluation.json") if settings.file else folder / "dense.evaluation.json"
    output = Path(settings.output or beside)
    write_text(output, json.dumps(plain(found), indent=1) + "\n")
    console.print(f"written: {output}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    guarded(main)
