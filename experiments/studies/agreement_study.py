"""Do the tasks want the same channels, and do their gradients agree? Layer by layer, on dense models."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pruning
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.studies.study_model import StudyModel
from experiments.studies.study_rows import unit, write_rows


def agreement_study(problem: Problem, folder: Path, work: Meter) -> None:
    """Score the channels of every seed's dense model for each task, and compare the tasks.

    Args:
        problem: with its recipe: seeds, training (or dense_from), grid.ratio (the first one: the share that each task
            would give up), grid.criterion (the first one; Taylor's if it looks at weights alone),
            pruning.criterion_pictures.
        folder: that agreement.csv is written to: a row a seed, group and pair of tasks.
        work: where progress is reported.
    """
    rows: list[dict[str, Any]] = []
    declared = problem.declaration()
    for seed in problem.recipe.seeds:
        found = unit(folder, f"agreement_s{seed}", functools.partial(_one, problem, seed, folder, work))
        rows += [row | {"part": declared.part_of(row["group"]) if declared.parts else row["part"]} for row in found]
        write_rows(folder, "agreement", rows)


def _one(problem: Problem, seed: int, folder: Path, work: Meter) -> list[dict[str, Any]]:
    one = StudyModel(problem, seed, work)
    one.train(folder / "states" / f"joint_s{seed}.npz", problem.recipe.training.steps, "training", dense=True)
    work.say(f"seed {seed}: scores of each task")
    losses = problem.task_losses(one.model)
    batches = problem.calibration(problem.recipe.pruning.criterion_pictures, seed)
    agreement = pruning.task_agreement(one.graph, one.scores_by_task(), problem.recipe.grid.ratio[0])
    work.say(f"seed {seed}: gradients of each task")
    conflicts = pruning.task_conflicts(one.graph, losses, batches)
    known = {(row["group"], row["task"], row["other"]): row for row in conflicts.rows}
    rows = []
    for row in agreement.rows:
        other = known.get((row["group"], row["task"], row["other"]), {})
        more = {name: other.get(name, float("nan")) for name in ("cosine", "conflicting_channels")}
        rows.append({"seed": seed, "ratio": agreement.ratio, **row, **more})
    return rows
