"""A Problem's tasks, as `pruning` measures them."""

from __future__ import annotations

from typing import Any

import keras

import pruning
from experiments.problem import Problem


def problem_measures(
    problem: Problem, model: keras.Model, split: str, pictures: int | None = None, seed: int = 0
) -> pruning.TaskMeasures:
    """How a problem's tasks are measured: its `evaluate` on a split, its task losses, its floors and directions.

    Args:
        problem: with its recipe.
        model: compiled by `problem.compile`, whose losses are asked.
        split: of `evaluate` and `floors`.
        pictures: training samples that losses are asked on; `pruning.criterion_pictures` of the recipe if None.
        seed: which ones.
    """
    declared = problem.declaration().tasks
    lower = [
        f"{task.name}_{measure.name}"
        for task in declared
        for measure in task.measures
        if measure.higher_is_better is False
    ]
    count = problem.recipe.pruning.criterion_pictures if pictures is None else pictures
    return pruning.TaskMeasures(
        lambda model: problem.evaluate(model, split),
        problem.task_losses(model),
        problem.calibration(count, seed),
        primary={task.name: task.primary for task in declared},
        lower_is_better=lower,
        floors={task: dict(values) for task, values in problem.floors(split).items()},
    )


def columns(tasks: pruning.TaskMeasures, measured: Any, reference: Any = None) -> dict[str, float]:
    """{task: {measure: value}} as columns; with a reference also `<task>_quality` beside it."""
    found = {f"{task}_{name}": value for task, values in measured.items() for name, value in values.items()}
    if reference is not None:
        found |= {f"{task}_quality": value for task, value in tasks.qualities(measured, reference).items()}
    return found
