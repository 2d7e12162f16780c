"""usage: taskprune sweep RECIPE [--flags]

Train a network, prune it by every combination of a grid, fine-tune, remove, and measure each task all along.

Writes results/<name>/: a folder a run in runs/, and from these runs.csv (a row a stage; columns.md says what the
columns mean), runs.parquet, classes.csv (what each class has), plots and report.html. A finished stage is never done
again: after an interruption, start the same command again. Several processes, here (--workers) or started by hand,
share one folder.

  --dry-run                     only print the runs and an estimate of the time
  --workers N                   local processes, each with its share of the threads, and its own GPU where there are any
  --executor ray                on a Ray cluster; --address, --ray-cpus and --ray-gpus of a run (extra `ray`)
  --live tensorboard            losses, measures, weights and pictures while it runs (extra `live`)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from annotated_types import Ge

from experiments.settings.flags import read_settings
from experiments.settings.recipe import Count, Positive, Recipe


class Sweep(Recipe):
    """A recipe, and how to go about it."""

    workers: Count = 1
    """local processes that share the runs, each with its share of the threads, and its own GPU where there are any."""
    executor: Literal["auto", "ray"] = "auto"
    """auto: here; ray: on a Ray cluster (extra `ray`)."""
    address: str | None = None
    """ray: of the cluster; one on this machine if not given."""
    ray_cpus: Positive = 1.0
    """ray: cores of a run."""
    ray_gpus: Annotated[float, Ge(0)] = 0.0
    """ray: GPUs of a run."""
    ray_retries: Annotated[int, Ge(0)] = 2
    """ray: how often a run is tried again whose worker was lost."""
    dry_run: bool = False
    """only print the runs, their number, and an estimate of the time."""
    live: Literal["none", "tensorboard"] = "none"
    """tensorboard: losses, measures, sparsity, weights and pictures, in runs/<run>/logs (extra `live`)."""


def main(arguments: Sequence[str]) -> int:
    settings = read_settings(Sweep, __doc__ or "", arguments)
    from experiments.runs import tensorflow_setup  # isort: skip  # before anything that imports TensorFlow
    from experiments.lookup import open_problem
    from experiments.runs.executors import executor, threads_each
    from experiments.runs.sweep import complain, sweep, write_report
    from experiments.runs.sweep_folder import has_rows

    problem = open_problem(settings)
    if settings.dry_run:
        from experiments.runs import dry_run

        threads = threads_each(settings.workers, settings.threads) if settings.workers > 1 else settings.threads
        tensorflow_setup.prepare(threads)
        print(dry_run.report(problem, settings.workers))
        return 0
    chosen = executor(
        settings.executor, settings.workers, settings.address, settings.ray_cpus, settings.ray_gpus,
        settings.ray_retries,
    )  # fmt: skip
    outcome = sweep(problem, chosen, settings.live)
    if has_rows(outcome.folder):
        print(f"table: {outcome.folder / 'runs.csv'}")
        page = write_report(outcome.folder)
        print("plots: " + "  ".join(str(path) for path in sorted(outcome.folder.glob("*.png"))))
        print(f"report: {page}")
    return complain(outcome)
