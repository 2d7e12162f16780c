"""Budgets by task, asked against held: searched on the tune split, judged on the test split."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pruning
import schedules
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.studies.study_model import StudyModel
from experiments.studies.study_rows import unit, write_rows
from pruning.tasks.budgets.budget_search import judged


def budget_study(problem: Problem, folder: Path, work: Meter, allowed: tuple[float, ...] = (2.0, 5.0, 10.0)) -> None:
    """Search under budgets of quality that all tasks have, and under each task's budget alone.

    Args:
        problem: with its recipe: seeds, training, finetune.
        folder: that budgets.csv (a row a search), budget_tasks.csv (a row a search and task), budget_trials.csv (a
            row a trial) and the searches themselves are written to.
        work: where progress is reported.
        allowed: budgets, in hundredths of the way from the trivial predictor to the dense control.
    """

    @functools.lru_cache(maxsize=1)  # a seed's model is made and trained once it is needed
    def model(seed: int) -> StudyModel:
        made = StudyModel(problem, seed, work)
        path = folder / "states" / f"joint_s{seed}.npz"
        made.train(path, problem.recipe.training.steps, "training", dense=True)
        return made

    found: list[dict[str, Any]] = []
    names = [task.name for task in problem.declaration().tasks]
    for seed in problem.recipe.seeds:
        for drop in allowed:
            for who in (None, *names):
                counting = tuple(names) if who is None else (who,)
                label = f"budget_{drop:g}_{who or 'all'}_s{seed}"
                search = functools.partial(_search, model, seed, drop, counting, folder / "searches" / label)
                found += unit(folder, label, search)
                tables = {"budget_trials": [trial for row in found for trial in row.get("history", ())]}
                tables["budget_tasks"] = [{k: v for k, v in row.items() if k != "history"} for row in found]
                for name, rows in {**tables, "budgets": _searches(found)}.items():
                    write_rows(folder, name, rows)


def _search(
    model: Callable[[int], StudyModel], seed: int, drop: float, counting: tuple[str, ...], folder: Path
) -> list[dict[str, Any]]:
    """A row for each task that counts; the first one has the trials too."""
    one = model(seed)
    one.rest()
    budget = schedules.TaskBudget(dict.fromkeys(counting, drop), unit="quality")
    scores = one.scores()
    found = pruning.BudgetSearch(
        one.graph, scores, budget, one.tasks, lambda model: one.finetune(text=f"budget {drop:g}: fine-tuning"), folder,
        grow={"input_shapes": one.shapes}, say=one.work.note,
    ).run()  # fmt: skip
    test = one.tests(one.model) if found.trial is not None else None
    one.rest()
    one.finetune(text="control")
    control = one.tests(one.model)
    one.rest()
    judgement = judged(budget, one.tests, control, test) if test is not None else None
    rows = []
    for task in counting:
        row: dict[str, Any] = {"seed": one.seed, "tasks": "all" if len(counting) > 1 else task, "allowed": drop}
        row |= {"task": task, "trials": len(found.trials), "saved": found.trial.saved if found.trial else 0.0}
        if found.trial is not None and judgement is not None:
            row |= {
                "binding": found.trial.binding, "surrogate_rise": found.trial.surrogate[task],
                "stopped_groups": found.trial.stopped.get(task, 0), "drop_tune": found.trial.drops[task],
                "drop_test": judgement.drops[task], "binding_test": judgement.binding,
            }  # fmt: skip
        rows.append(row)
    head = {name: rows[0][name] for name in ("seed", "tasks", "allowed")}
    rows[0]["history"] = [
        {**head, "trial": number + 1, "rise": trial.rise, "saved": trial.saved, "held": trial.held}
        | {"binding": trial.binding, "stopped": " ".join(f"{task}:{n}" for task, n in trial.stopped.items())}
        | {f"{task}_surrogate": rise for task, rise in trial.surrogate.items() if task in counting}
        | {f"{task}_drop": drop for task, drop in trial.drops.items()}
        for number, trial in enumerate(found.trials)
    ]
    return rows


def _searches(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a search: its worst task on either split."""
    found: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        key = (row["seed"], row["tasks"], row["allowed"])
        one = found.setdefault(key, {name: row[name] for name in ("seed", "tasks", "allowed", "trials", "saved")})
        for name in ("drop_tune", "drop_test"):
            if name in row:
                one[name] = max(one.get(name, -1e9), row[name])
        if "binding" in row:
            one |= {"binding": row["binding"], "binding_test": row["binding_test"]}
            one["held_test"] = bool(one["drop_test"] <= row["allowed"])
    return list(found.values())
