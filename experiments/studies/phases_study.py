"""Does it help pruning to train the tasks in turn, or by need? Arms that differ in their loss weights alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

import pruning
import schedules
from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.studies.measured_problem import columns
from experiments.studies.study_model import StudyModel
from experiments.studies.study_rows import claimed, finished, unit, write_rows

Row = dict[str, Any]


def turns_of(problem: Problem) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tasks that take turns, in the order of their turns, and the shared ones, which always train.

    Raises:
        UserError: `phases.order` names others than the problem's tasks.
    """
    declared = problem.declaration().tasks
    own, shared = (tuple(task.name for task in declared if task.shared is which) for which in (False, True))
    order = problem.recipe.phases.order or own
    if sorted(order) != sorted(own):
        raise UserError(f"phases.order is {', '.join(order)}; expected each of these once: {', '.join(own)}")
    return order, shared


def updates(name: str, problem: Problem) -> int:
    """How many updates an arm trains for."""
    steps = problem.recipe.training.steps
    return steps // len(turns_of(problem)[0]) if name == "joint, equal updates" else steps


def arm(name: str, problem: Problem, weights: Any, turns: int) -> tuple[int, list[keras.callbacks.Callback], int]:
    """An arm's updates, callbacks, and updates in what they see as an epoch.

    Args:
        name: of `recipe.phases.arms`.
        problem: says the tasks, and how long it trains.
        weights: variables of the losses; None: the model's own.
        turns: that each task has, in the arm "alternated".
    """
    steps, (names, shared) = updates(name, problem), turns_of(problem)
    if name in ("joint", "joint, equal updates"):
        return steps, [], 0
    if name == "by need":
        return steps, [pruning.AdaptiveLosses(schedules.AdaptiveWeights(window=3), weights)], max(1, steps // 20)
    if name == "alternated":
        length, rounds = max(1, steps // (turns * len(names))), turns
    else:
        length, rounds = steps // (len(names) + 1), 1
    phases = schedules.LossPhases.in_turn(names, length, always=shared, rounds=rounds)
    return steps, [pruning.PhasedLosses(phases, weights)], 0


def phases_study(problem: Problem, folder: Path, work: Meter, turns: int = 30) -> None:
    """Train every arm of every seed, prune each by the criterion, fine-tune jointly, and measure all along.

    The same study may be started twice on one folder, for two processors: each takes the arms that none is at.

    Args:
        problem: with its recipe: seeds, training, phases, grid.criterion, budget, part and ratio, pruning, finetune.
        folder: that phases.csv and the rest are written to.
        work: where progress is reported.
        turns: see `arm`.
    """

    @functools.lru_cache(maxsize=1)  # a seed's model is made once it is needed
    def model(seed: int) -> StudyModel:
        return StudyModel(problem, seed, work)

    arms = [(seed, name) for seed in problem.recipe.seeds for name in problem.recipe.phases.arms]
    names = [f"phases_{_file_name(name)}_s{seed}" for seed, name in arms]
    for (seed, name), label in zip(arms, names, strict=True):
        with claimed(folder, label) as mine:
            if mine:
                unit(folder, label, lambda seed=seed, name=name: list(_one(model(seed), name, folder, turns)))  # type: ignore[misc]
        write_rows(folder, "phases", finished(folder, names))


def steps_in_all(problem: Problem) -> int:
    """Updates of a seed, for the bar."""
    recipe = problem.recipe
    tuned = (1 + len(_tuned(problem))) * recipe.finetune.steps
    return sum(updates(name, problem) + tuned for name in recipe.phases.arms)


def _tuned(problem: Problem) -> tuple[float, ...]:
    """Ratios that are fine-tuned as well.

    Raises:
        UserError: `phases.finetuned` names one that is not cut.
    """
    ratios, wanted = problem.recipe.grid.ratio, problem.recipe.phases.finetuned
    if set(wanted) - set(ratios):
        raise UserError(f"phases.finetuned is {wanted}; expected some of grid.ratio: {ratios}")
    return wanted or ratios


def _file_name(name: str) -> str:
    return name.replace(", ", "_").replace(" ", "_")


def _one(one: StudyModel, name: str, folder: Path, turns: int) -> Iterator[Row]:
    """An arm of a seed: its dense model and control, and what is left of it at every ratio."""
    steps, callbacks, every = arm(name, one.problem, one.losses, turns)
    path = folder / "states" / f"{_file_name(name)}_s{one.seed}.npz"
    one.train(path, steps, name, callbacks, every, name == "joint")
    head = {"arm": name, "seed": one.seed, "updates": steps}
    measured, mended = functools.partial(columns, one.tests), one.recipe.pruning.recalibration_pictures > 0
    dense = one.tests(one.model)
    yield {**head, "stage": "dense", **measured(dense, dense)}
    if mended:
        one.recalibrate()
        yield {**head, "stage": "dense_recalibrated", **measured(one.tests(one.model), dense)}
        one.rest()
    parts, budget = {part: one.part(part) for part in one.recipe.grid.part}, one.recipe.grid.budget[0]
    scores = {part: one.scores(graph) for part, graph in parts.items()}
    one.finetune(text=f"{name}, control")
    control = one.tests(one.model)
    yield {**head, "stage": "dense_control", **measured(control, control)}
    for number, (part, graph) in enumerate(parts.items()):
        named = {"part": part} if len(parts) > 1 else {}
        for ratio in one.recipe.grid.ratio:
            one.rest()
            one.work.say(f"seed {one.seed}: {name}, {ratio:.0%} pruned")
            plan = one.plan(scores[part], ratio, graph, budget)
            pruning.hold(one.model, plan, graph)
            achieved = {} if budget == "macs" else {"achieved": plan.achieved}
            point = {**head, **named, "asked": ratio, **achieved, "achieved_macs": one.saved(plan)}
            yield {**point, "stage": "pruned", **measured(one.tests(one.model), dense)}
            if number:  # only the first part's networks go on
                continue
            if mended:
                one.recalibrate()
                yield {**point, "stage": "recalibrated", **measured(one.tests(one.model), dense)}
            if ratio in _tuned(one.problem):
                one.finetune(text=f"{name}, {ratio:.0%} pruned, fine-tuning")
                yield {**point, "stage": "finetuned", **measured(one.tests(one.model), control)}
