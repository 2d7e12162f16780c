"""Every task in view while a dense model is pruned little by little: the live table, its picture, and the history."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

from rich.console import Console

import pruning
from experiments.plots.elements.style import save
from experiments.plots.histories.task_tracks import plot_history
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter, Work
from experiments.runs.training import choices
from experiments.studies.study_model import StudyModel
from experiments.studies.study_rows import unit, write_rows
from pruning.tasks.tracking.task_history import TOTAL

_EPOCHS = 5  # records of the whole fine-tuning, beside those of the cuts


def track_study(problem: Problem, folder: Path) -> list[Path]:
    """Prune every seed's dense model by a gradual schedule inside `fit`, with a `pruning.TaskTracker`.

    Args:
        problem: with its recipe: seeds, training (or dense_from), finetune, pruning.gradual_*, and of the grid the
            first criterion, arbiter, scope, budget and ratio, and the first gradual schedule.
        folder: that is written to: track.csv (a row a seed), history_s<seed>.csv (tidy), .png and .svg, and the table
            as it stood after the last cut, tracker_s<seed>.svg.

    Returns:
        the files' paths.
    """
    rows: list[dict[str, Any]] = []
    made = [folder / "track.csv"]
    for seed in problem.recipe.seeds:
        rows += unit(folder, f"track_s{seed}", functools.partial(_one, problem, seed, folder))
        write_rows(folder, "track", rows)
        history = folder / f"history_s{seed}.csv"
        title = f"{problem.recipe.name}: {rows[-1]['gone']:.0%} of the filters, cut by cut"
        pictures = save(plot_history(history, title), folder, history.stem)
        made += [history, folder / f"tracker_s{seed}.svg", *pictures]
    return made


def _one(problem: Problem, seed: int, folder: Path) -> list[dict[str, Any]]:
    recipe = problem.recipe
    grid, wanted, steps = recipe.grid, recipe.pruning, recipe.finetune.steps
    with Work({"step": recipe.training.steps}) as work:
        one = StudyModel(problem, seed, work)
        one.train(folder / "states" / f"joint_s{seed}.npz", recipe.training.steps, "training", dense=True)
    one.work = Meter()
    name: Any = next((name for name in grid.schedule if name != "one_shot"), "polynomial_decay")
    pruner = pruning.PruningCallback(
        lambda graph: one.scores(), choices.gradual(name, wanted, grid.ratio[0], steps), graph=one.graph,
        **choices.plan_arguments(grid.scope[0], grid.budget[0], wanted, one.shapes),
    )  # fmt: skip
    tracker = pruning.TaskTracker(
        one.tasks, pruner, folder / f"history_s{seed}.csv", graph=one.graph, console=Console(stderr=True)
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training ended at step")  # the last epoch may be a call of `fit` of its own
        one.finetune(text="tracked", callbacks=[pruner, tracker], every=max(1, steps // _EPOCHS))
    cuts = [number for number, record in enumerate(tracker.records) if record.event == "pruned"]
    tracker.picture(folder / f"tracker_s{seed}.svg", cuts[-1] if cuts else -1)
    last = tracker.records[-1]
    row = {"seed": seed, "schedule": name, "asked": grid.ratio[0], "gone": last.gone[TOTAL], "worst": last.worst}
    row |= {"cuts": len(cuts), "achieved_macs": one.saved(pruner.plan) if pruner.plan else 0.0}
    return [row | {f"{task}_quality": quality for task, quality in last.quality.items()}]
