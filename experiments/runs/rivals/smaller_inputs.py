"""The dense network on smaller pictures: fewer MACs, nothing pruned and nothing trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from experiments.problem import Problem
from experiments.runs.grid import Run
from experiments.runs.seed_model import SeedModel


def measured_on_smaller(
    seed_model: SeedModel, run: Run, measured: Callable[[keras.Model, dict[str, float]], dict[str, Any]]
) -> dict[str, Any]:
    """Columns of the run's row.

    Args:
        seed_model: with the dense weights.
        run: says the size, and which is the dense one.
        measured: (model, what of it is gone) -> its costs, quality and latency, as columns.
    """
    size = run.settings.input_size
    assert size is not None, "a run on smaller pictures has their size"
    resized = seed_model.problem.at_input_size(seed_model.model, size)
    nothing = {"achieved": 0.0, "achieved_filters": 0.0}
    return {"input_size": size, "reference": run.dense, "steps": 0, **measured(resized, nothing)}


def check_smaller_inputs(problem: Problem, model: keras.Model) -> None:
    """Refuse sizes that a recipe's network cannot look at, before anything is trained.

    Raises:
        UserError: says why.
    """
    for size in problem.recipe.smaller_inputs:
        problem.at_input_size(model, size)
