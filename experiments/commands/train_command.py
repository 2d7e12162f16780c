"""usage: taskprune train RECIPE [--flags]

Train the dense model of a recipe, for each of its seeds.

Writes results/<name>/runs/dense-.../: model.keras, history.csv (losses), measures.csv (each task's measures on the
split for choices while it trains; on the test split where there is no other) and a checkpoint. Started again after an
interruption, it goes on from the checkpoint and ends as an unbroken run would have. `taskprune sweep` finds the model
there.

  --measure-every N             updates between measures; 0: none; a fifth of the training if not given
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge

from experiments.errors import UserError
from experiments.settings.flags import read_settings
from experiments.settings.recipe import Recipe


class Train(Recipe):
    """A recipe, and what to look at while it trains."""

    measure_every: Annotated[int, Ge(0)] | None = None
    """updates between measures on held-out samples; 0: none; a fifth of the training if not given."""


def main(arguments: Sequence[str]) -> int:
    settings = read_settings(Train, __doc__ or "", arguments)
    from experiments.runs import tensorflow_setup  # isort: skip  # before anything that imports TensorFlow
    from experiments.lookup import open_problem
    from experiments.runs.compared_models import ComparedModels
    from experiments.runs.grid import dense_runs
    from experiments.runs.monitoring.progress_bar import Work, clock
    from experiments.runs.run_folder import RunFolder
    from experiments.runs.runner import check_data
    from experiments.runs.sweep_folder import check_same, folder_of, make_folder

    tensorflow_setup.prepare(settings.threads)
    problem = open_problem(settings)
    check_same(settings, folder_of(settings))
    every = settings.measure_every
    every = -(-settings.training.steps // 5) if every is None else every
    runs, problems = dense_runs(settings), ComparedModels(problem).problems
    with Work({"step": settings.training.steps * len(runs)}) as work:
        check_data(problem, work)
        make_folder(problem)
        folders = []
        for run in runs:
            folders.append(RunFolder(folder_of(settings) / "runs" / run.name))
            train(problems[run.settings.variant], run, folders[-1], work, every)
        work.note(f"done in {clock(work.seconds_gone)}")
    for folder in folders:
        print(f"model: {folder.model}  losses: {folder.path / 'history.csv'}")
    return 0


def train(problem, run, folder, work, every: int) -> None:
    """Train a seed's dense model, if that has not been done.

    Args:
        problem, run, folder: the problem with the run's model, the dense run and its folder.
        work: where progress is reported.
        every: updates between measures; 0: none.

    Raises:
        UserError: another process is at it, or the model cannot be made.
    """
    from experiments.runs import provenance
    from experiments.runs.monitoring.stopwatch import Stopwatch
    from experiments.runs.runner import begin
    from experiments.runs.seed_model import SeedModel
    from experiments.runs.training.dense_training import train_dense
    from experiments.runs.training.validation import held_out_measures

    with folder.lock() as mine:
        if not mine:
            raise UserError(f"{folder.path} is being worked on by another process")
        if folder.model.exists():
            work.skip("step", run.settings.training.steps)
            return
        begin(problem, run, folder)
        watch = Stopwatch()
        split = "tune" if "tune" in problem.splits else "test"
        looks = [held_out_measures(problem, split, every, folder, work, watch)] if every else []
        train_dense(SeedModel(problem, run.settings.seed, work, watch), folder, run.settings, looks)
        provenance.end(folder)
