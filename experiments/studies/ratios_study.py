"""Ratios solved from sensitivities, against the same ratio everywhere, at equal MACs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pruning
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.studies.measured_problem import columns
from experiments.studies.study_model import StudyModel
from experiments.studies.study_rows import unit, write_rows

ASKED = (0.25, 0.5, 0.75)  # of every group's channels, one group at a time


def ratios_study(problem: Problem, folder: Path, work: Meter) -> None:
    """For every seed: what each task pays for each group, the ratios solved from it, and models pruned so.

    Args:
        problem: with its recipe: seeds, training, grid.ratio (of the MACs), finetune.
        folder: that ratios.csv (a row a model), sensitivity_s<seed>.csv and solved_s<seed>_<ratio>.csv are written to.
        work: where progress is reported.
    """
    rows: list[dict[str, Any]] = []
    for seed in problem.recipe.seeds:
        rows += unit(folder, f"ratios_s{seed}", functools.partial(_one, problem, seed, folder, work))
        write_rows(folder, "ratios", rows)


def _one(problem: Problem, seed: int, folder: Path, work: Meter) -> list[dict[str, Any]]:
    one = StudyModel(problem, seed, work)
    one.train(folder / "states" / f"joint_s{seed}.npz", problem.recipe.training.steps, "training", dense=True)
    scores, short = one.scores(), max(1, problem.recipe.finetune.steps // 2)
    table = pruning.task_sensitivity(
        one.graph, scores, one.tasks, ASKED, finetune=lambda model: one.finetune(text="sensitivity", steps=short),
        input_shapes=one.shapes, path=folder / f"sensitivity_s{seed}.csv", progress=False,
    )  # fmt: skip
    one.rest()
    one.finetune(text="control")
    control = one.tests(one.model)
    rows = [{"seed": seed, "ways": "dense_control", **columns(one.tests, control, control)}]
    for saving in problem.recipe.grid.ratio:
        for ways in ("same ratio everywhere", "solved before fine-tuning", "solved after fine-tuning"):
            one.rest()
            if ways == "same ratio everywhere":
                plan, binding = one.plan(scores, saving), ""
            else:
                solved = pruning.solve_ratios(
                    table, saving=saving, graph=one.graph, scores=scores, input_shapes=one.shapes,
                    stage="pruned" if "before" in ways else "finetuned",
                )  # fmt: skip
                solved.save(folder / f"solved_s{seed}_{saving:g}_{ways.split()[1]}.csv")
                plan = pruning.plan(one.graph, scores, sparsity=solved)
                binding = " ".join(f"{row['target']}:{row['binding'] or 'none'}" for row in solved.rows)
            pruning.hold(one.model, plan, one.graph)
            shares = {f"ratio_{g.name}": len(plan.removed.get(g.name, ())) / g.size for g in one.graph.prunable}
            point = {"seed": seed, "ways": ways, "asked": saving, "achieved_macs": one.saved(plan), "binding": binding}
            point |= shares
            rows.append({**point, "stage": "pruned", **columns(one.tests, one.tests(one.model), control)})
            one.finetune(text=f"{ways}, {saving:.0%}")
            rows.append({**point, "stage": "finetuned", **columns(one.tests, one.tests(one.model), control)})
    return rows
