"""Budgets by task, asked against held: searched on the tune split, judged on the test split."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pruning
import schedules
from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.sample_answers import Answers, bootstrap
from experiments.studies.study_model import StudyModel
from experiments.studies.study_rows import unit, write_rows
from pruning.tasks.budgets.budget_search import judged

ALL = "all"
_TWO_SIDED = 0.90  # whose upper end is the one-sided 95 % bound


@dataclass(frozen=True)
class Asked:
    """What a study of budgets asks.

    Attributes:
        allowed: drops, each of them a budget that all counting tasks have.
        unit: of the drops, as `schedules.TaskBudget` has it.
        measures: columns that tasks are judged by, "mask_ap"; a task's primary one where none is named.
        counting: "all" tasks together, or the name of a task that counts alone; a search for each. Empty: every one.
        trials: of a search, at most.
    """

    allowed: tuple[float, ...] = (2.0, 5.0, 10.0)
    unit: str = "quality"
    measures: tuple[str, ...] = ()
    counting: tuple[str, ...] = ()
    trials: int = 4

    def searches(self, problem: Problem) -> dict[str, tuple[str, ...]]:
        """Whose budget -> the tasks that count.

        Raises:
            UserError: `counting` names something else.
        """
        names = tuple(task.name for task in problem.declaration().tasks)
        known = {ALL: names, **{name: (name,) for name in names}}
        unknown = [who for who in self.counting if who not in known]
        if unknown:
            raise UserError(f"counting: {unknown[0]!r} is no task; expected {', '.join(known)}")
        return {who: known[who] for who in self.counting or known}

    def budget(self, problem: Problem, counting: tuple[str, ...], drop: float) -> schedules.TaskBudget:
        """The budget of a search.

        Raises:
            UserError: a measure that the problem does not declare, or two of one task.
        """
        declared, measure = problem.declaration(), dict[str, str]()
        owner = {f"{task.name}_{one.name}": task.name for task in declared.tasks for one in task.measures}
        for column in self.measures:
            if column not in owner or owner[column] in measure:
                why = f"a second one of {owner[column]}" if column in owner else "no measure of a task"
                raise UserError(f"measures: {column!r} is {why}; there are {', '.join(owner)}")
            measure[owner[column]] = column
        ours = {task: measure.get(task, declared.primary[task]) for task in counting}
        lower = [c for c in ours.values() if declared.measures[c].higher_is_better is False]
        return schedules.TaskBudget(
            dict.fromkeys(counting, drop), unit=self.unit, measure=ours, lower_is_better=lower
        )


def budget_study(problem: Problem, folder: Path, work: Meter, asked: Asked) -> None:
    """Search under budgets that all tasks have, and under each task's budget alone.

    Args:
        problem: with its recipe: seeds, training, finetune, grid.criterion and arbiter (the first ones).
        folder: that budgets.csv (a row a search), budget_tasks.csv (a row a search and task), budget_trials.csv (a
            row a trial) and the searches themselves are written to.
        work: where progress is reported.
        asked: the budgets.
    """

    @functools.lru_cache(maxsize=1)  # a seed's model is made and trained once it is needed
    def model(seed: int) -> _Judged:
        made = StudyModel(problem, seed, work)
        made.train(folder / "states" / f"joint_s{seed}.npz", problem.recipe.training.steps, "training", dense=True)
        return _Judged(made)

    found: list[dict[str, Any]] = []
    for seed in problem.recipe.seeds:
        for drop in asked.allowed:
            for who, counting in asked.searches(problem).items():
                budget, label = asked.budget(problem, counting, drop), f"budget_{drop:g}_{who}_s{seed}"
                place = folder / "searches" / label
                search = functools.partial(_search, model, seed, budget, who, drop, place, asked.trials)
                found += unit(folder, label, search)
                tables = {"budget_trials": [trial for row in found for trial in row.get("history", ())]}
                tables["budget_tasks"] = [{k: v for k, v in row.items() if k != "history"} for row in found]
                for name, rows in {**tables, "budgets": _searches(found)}.items():
                    write_rows(folder, name, rows)


class _Judged:
    """A seed's model with its dense control, which serves all searches."""

    def __init__(self, model: StudyModel) -> None:
        self.model = model

    @functools.cached_property
    def control(self) -> tuple[dict[str, dict[str, float]], Mapping, Answers | None]:
        """The dense model trained on as long: its measures on the tune split, on the test split, and its answers."""
        one = self.model
        one.rest()
        one.finetune(text="control")
        found = (one.tasks(one.model), *one.answers("test"))
        one.rest()
        return found

    def bounds(self, budget: schedules.TaskBudget, now: Answers | None) -> dict[str, float]:
        """Task -> the one-sided 95 % bound of its drop on the test split, in the budget's unit: a paired bootstrap.

        Args:
            budget: with a measure for each task.
            now: of the pruned model.

        Returns:
            NaN for a measure whose samples cannot be drawn again.
        """
        _, control, before = self.control
        primary = {task.name: task.primary for task in self.model.problem.declaration().tasks}
        worst: dict[str, dict[str, float]] = {}
        for task in budget.tasks if now is not None and before is not None else ():
            name = budget.measure[task]
            pair = [one.redrawn(task, name, primary[task]) for one in (now, before)]  # type: ignore[union-attr]
            if pair[0] is not None and pair[1] is not None:
                low, high = bootstrap(pair[0], pair[1], confidence=_TWO_SIDED)
                falls = f"{task}_{name}" in budget.lower_is_better
                worst[task] = {name: control[task][name] + (high if falls else low)}
        drops = judged(budget, self.model.tests, control, worst).drops
        return {task: drops[task] if task in worst else math.nan for task in budget.tasks}


def _search(
    model: Callable[[int], _Judged], seed: int, budget: schedules.TaskBudget, who: str, drop: float, folder: Path,
    trials: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """A row for each task that counts; the first one has the trials too."""
    of_seed = model(seed)
    one, (tune, control, _) = of_seed.model, of_seed.control
    one.rest()
    found = pruning.BudgetSearch(
        one.graph, one.scores(), budget, one.tasks, lambda model: one.finetune(text=f"budget {drop:g}: fine-tuning"),
        folder, trials=trials, grow={"input_shapes": one.shapes}, reference=tune, say=one.work.note,
    ).run()  # fmt: skip
    head: dict[str, Any] = {"seed": seed, "tasks": who, "allowed": drop, "unit": budget.unit}
    rows = [
        {**head, "task": task, "measure": f"{task}_{budget.measure[task]}", "trials": len(found.trials)}
        | {"saved": found.trial.saved if found.trial else 0.0, "control_test": control[task][budget.measure[task]]}
        for task in budget.tasks
    ]
    if found.trial is not None:
        test, answers = one.answers("test")
        judgement, bounds = judged(budget, one.tests, control, test), of_seed.bounds(budget, answers)
        for row in rows:
            task = row["task"]
            row |= {
                "binding": found.trial.binding, "surrogate_rise": found.trial.surrogate[task],
                "stopped_groups": found.trial.stopped.get(task, 0), "drop_tune": found.trial.drops[task],
                "test": test[task][budget.measure[task]], "drop_test": judgement.drops[task],
                "bound_test": bounds[task], "binding_test": judgement.binding,
            }  # fmt: skip
    one.rest()
    rows[0]["history"] = [
        {**head, "trial": number + 1, "rise": trial.rise, "saved": trial.saved, "held": trial.held}
        | {"binding": trial.binding, "stopped": " ".join(f"{task}:{n}" for task, n in trial.stopped.items())}
        | {f"{task}_surrogate": rise for task, rise in trial.surrogate.items() if task in budget.tasks}
        | {f"{task}_drop": lost for task, lost in trial.drops.items()}
        | {"seconds": trial.seconds}
        for number, trial in enumerate(found.trials)
    ]
    return rows


def _searches(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a search: its worst task on either split, and whether the budget was held on the test split.

    `held_test` goes by the drop that was measured, `held_surely` by its 95 % bound.
    """
    found: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        key = (row["seed"], row["tasks"], row["allowed"])
        head = ("seed", "tasks", "allowed", "unit", "trials", "saved")
        one = found.setdefault(key, {name: row[name] for name in head if name in row})
        for name in ("drop_tune", "drop_test", "bound_test"):
            if row.get(name) is not None:
                one[name] = max(one.get(name, -math.inf), row[name])
        if "binding" in row:
            one |= {"binding": row["binding"], "binding_test": row["binding_test"]}
            one["held_test"] = bool(one["drop_test"] <= row["allowed"])
            if row.get("bound_test") is not None:  # else its samples cannot be drawn again
                one["held_surely"] = bool(one["bound_test"] <= row["allowed"])
    return list(found.values())
