"""Does it help pruning to train the tasks in turn, or by need? Arms that differ in their loss weights alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

import pruning
import schedules
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.studies.measured_problem import columns
from experiments.studies.study_model import StudyModel
from experiments.studies.study_rows import unit, write_rows

ARMS = {
    "joint": "all task losses at once",
    "joint, equal updates": "all at once, as many updates as each task has in its turns",
    "alternated": "one task at a time, in many short turns",
    "in sequence": "one task after the other, a third of the training each, then all",
    "by need": "weights that follow how much each loss still moves",
}


def arm(name: str, problem: Problem, weights: Any, turns: int) -> tuple[int, list[keras.callbacks.Callback], int]:
    """An arm's updates, callbacks, and updates in what they see as an epoch.

    Args:
        name: of ARMS.
        problem: says the tasks, and how long it trains.
        weights: variables of the losses; None: the model's own.
        turns: that each task has, in the arm "alternated".
    """
    steps, names = problem.recipe.training.steps, [task.name for task in problem.declaration().tasks]
    if name == "joint":
        return steps, [], 0
    if name == "joint, equal updates":
        return steps // len(names), [], 0
    if name == "by need":
        return steps, [pruning.AdaptiveLosses(schedules.AdaptiveWeights(window=3), weights)], max(1, steps // 20)
    if name == "alternated":
        phases = schedules.LossPhases.in_turn(names, max(1, steps // (turns * len(names))), rounds=turns)
    else:
        phases = schedules.LossPhases.in_turn(names, steps // (len(names) + 1))
    return steps, [pruning.PhasedLosses(phases, weights)], 0


def phases_study(problem: Problem, folder: Path, work: Meter, turns: int = 30) -> None:
    """Train every arm of every seed, prune each by the criterion, fine-tune jointly, and measure all along.

    Args:
        problem: with its recipe: seeds, training, grid.ratio (of the MACs), finetune.
        folder: that phases.csv and the rest are written to.
        work: where progress is reported.
        turns: see `arm`.
    """

    @functools.lru_cache(maxsize=1)  # a seed's model is made once it is needed
    def model(seed: int) -> StudyModel:
        return StudyModel(problem, seed, work)

    rows: list[dict[str, Any]] = []
    for seed in problem.recipe.seeds:
        for name in ARMS:
            title = name.replace(", ", "_").replace(" ", "_")
            rows += unit(
                folder, f"phases_{title}_s{seed}", functools.partial(_one, model, seed, name, folder, turns)
            )
            write_rows(folder, "phases", rows)


def _one(
    model: Callable[[int], StudyModel], seed: int, name: str, folder: Path, turns: int
) -> list[dict[str, Any]]:
    one = model(seed)
    steps, callbacks, every = arm(name, one.problem, one.losses, turns)
    title = name.replace(", ", "_").replace(" ", "_")
    one.train(folder / "states" / f"{title}_s{one.seed}.npz", steps, name, callbacks, every, name == "joint")
    head = {"arm": name, "seed": one.seed, "updates": steps}
    dense = one.tests(one.model)
    rows = [{**head, "stage": "dense", **columns(one.tests, dense, dense)}]
    scores = one.scores()
    one.finetune(text=f"{name}, control")
    control = one.tests(one.model)
    rows.append({**head, "stage": "dense_control", **columns(one.tests, control, control)})
    for ratio in one.recipe.grid.ratio:
        one.rest()
        plan = one.plan(scores, ratio)
        pruning.hold(one.model, plan, one.graph)
        point = {**head, "asked": ratio, "achieved_macs": one.saved(plan)}
        rows.append({**point, "stage": "pruned", **columns(one.tests, one.tests(one.model), dense)})
        one.finetune(text=f"{name}, {ratio:.0%} pruned")
        rows.append({**point, "stage": "finetuned", **columns(one.tests, one.tests(one.model), control)})
    return rows
