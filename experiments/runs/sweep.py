"""A whole sweep: from a recipe to its runs, its table, its plots and its report."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.problem import Problem
from experiments.runs.executors import Executor, Job, OneProcess, Order
from experiments.runs.monitoring import run_log
from experiments.runs.monitoring.progress_bar import Meter, Work, clock
from experiments.runs.sweep_folder import check_same, folder_of, has_rows, make_folder
from experiments.settings.recipe import Recipe
from experiments.table.table_files import write_table


@dataclass(frozen=True)
class Outcome:
    """What became of a sweep.

    Attributes:
        folder: of the sweep.
        runs: how many it has.
        failures: run -> why it is not done.
    """

    folder: Path
    runs: int
    failures: dict[str, str]


@dataclass(frozen=True)
class Here(Order):
    """An order for this process, whose runner is made already: it may have a problem that no file names."""

    made: Any = None

    def runner(self, meter: Meter) -> Any:
        return self.made


def run(
    recipe: str | Path | Recipe, problem: Problem | None = None, executor: Executor | None = None, log: str = "none"
) -> Path:
    """Do what is not done yet of a recipe's runs, and write table, plots and report.

    Args:
        recipe: a recipe, its file, or the name of one that ships with the package.
        problem: in place of the one that the recipe names; then all runs are done in this process.
        executor: how runs are executed; one after another in this process if None.
        log: "none", or "tensorboard": losses, measures and pictures, in runs/<run>/logs.

    Returns:
        the sweep's folder; `experiments.read` reads it.

    Raises:
        UserError: the recipe, its data or its folder cannot be used, or a run failed; what is finished stays.
    """
    problem = problem or open_problem(recipe)
    outcome = sweep(problem, executor, log)
    write_report(outcome.folder)
    if outcome.failures:
        lines = "\n".join(f"  {name}: {why}" for name, why in outcome.failures.items())
        raise UserError(f"{len(outcome.failures)} of {outcome.runs} runs are not done:\n{lines}")
    return outcome.folder


def sweep(problem: Problem, executor: Executor | None = None, log: str = "none") -> Outcome:
    """Do what is not done yet, and write the table.

    Raises:
        UserError: the recipe, its data or its folder cannot be used.
    """
    from experiments.runs import tensorflow_setup
    from experiments.runs.runner import Runner, check_data

    recipe = problem.recipe
    folder = folder_of(recipe)
    check_same(recipe, folder)
    size = recipe.training.batch_size
    guesses = {"picture": ("step", 0.8 / size), "step": ("picture", size / 0.8)}
    executor = executor or OneProcess()
    with Work({}, guesses, parallel=getattr(executor, "count", 1)) as work:  # how many work side by side
        runner = Runner(problem, work)
        unfinished = runner.unfinished()
        if unfinished:
            check_data(problem, work)
        make_folder(problem)
        if unfinished:
            for line in runner.changed_code():
                work.note(line)
            work.expect(runner.work_left())
            jobs = [Job(run.name, run.network, run.dense) for run in unfinished]
            order = Order(str(folder / "recipe.yaml"), log, recipe.threads)
            if isinstance(executor, OneProcess):
                tensorflow_setup.prepare(recipe.threads)
                order = Here(order.recipe, log, recipe.threads, order.began, made=Runner(problem, work, run_log(log)))

            def ended(name: str) -> None:
                if has_rows(folder):
                    write_table(folder)

            executor.execute(jobs, order, work, ended)
            work.note(f"done in {clock(work.seconds_gone)}")
    if has_rows(folder):
        write_table(folder)
    return Outcome(folder, len(runner.runs), runner.failures())


def write_report(folder: Path) -> Path | None:
    """Write the plots and the page of a sweep's folder; None where there is nothing to draw yet."""
    if not has_rows(folder) and not (folder / "runs.csv").is_file():
        return None
    from experiments.report import page

    return page.write_report(folder)


def complain(outcome: Outcome) -> int:
    """Say which runs are not done; the exit status of a command."""
    for name, why in outcome.failures.items():
        print(f"failed: {name}: {why}", file=sys.stderr)
    if outcome.failures:
        print(f"{len(outcome.failures)} of {outcome.runs} runs are not done; the same command tries them again",
              file=sys.stderr)  # fmt: skip
    return 1 if outcome.failures else 0
