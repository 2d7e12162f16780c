"""Pruning sweeps for any multi-task problem: a recipe becomes runs, a table, verdicts, plots and a report.

Names are imported when they are first used: tables and reports are read without TensorFlow.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

if TYPE_CHECKING:
    from experiments.declaration import Breakdown, Figure, Measure, Task
    from experiments.errors import UserError
    from experiments.lookup import open_problem
    from experiments.plots.histories.task_tracks import plot_history
    from experiments.problem import Problem
    from experiments.problems.functional import array_batches
    from experiments.runs.sweep import run
    from experiments.settings.recipe import Recipe, Settings
    from experiments.settings.recipe_files import read_recipe
    from experiments.studies.measured_problem import problem_measures
    from experiments.table.sweep_data import Sweep, read

_PLACES = {
    "Breakdown": "declaration",
    "Figure": "declaration",
    "Measure": "declaration",
    "Problem": "problem",
    "Recipe": "settings.recipe",
    "Settings": "settings.recipe",
    "Sweep": "table.sweep_data",
    "Task": "declaration",
    "UserError": "errors",
    "array_batches": "problems.functional",
    "open_problem": "lookup",
    "plot_history": "plots.task_tracks",
    "problem_measures": "studies.measured_problem",
    "read": "table.sweep_data",
    "read_recipe": "settings.recipe_files",
    "run": "runs.sweep",
}
__all__ = [
    "Breakdown",
    "Figure",
    "Measure",
    "Problem",
    "Recipe",
    "Settings",
    "Sweep",
    "Task",
    "UserError",
    "array_batches",
    "open_problem",
    "plot_history",
    "problem_measures",
    "read",
    "read_recipe",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'experiments' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"experiments.{_PLACES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
