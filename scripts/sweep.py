"""Train a Mask R-CNN, prune it by every combination of a grid, fine-tune, remove, and measure each task all along.

Writes results/<name>/: a folder a run in runs/, and from these runs.csv (a row a stage; columns in columns.md),
runs.parquet, plots and a report. A finished stage is never done again: after an interruption, start the same command
again. Several processes, here (--workers) or started by hand, share one folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import boot  # noqa: F401
import dryrun
import live
import workers
from building import prepare
from command import UserError, guarded, read_settings
from folders import check_same, sweep_folder, write_recipe
from progress import Work, clock
from runner import Runner
from settings import Count, Recipe


class Sweep(Recipe):
    """A recipe, and how to go about it."""

    workers: Count = 1
    """processes that share the runs, each with its share of the threads."""
    dry_run: bool = False
    """only print the runs, their number, and an estimate of the time."""
    live: Literal["none", "tensorboard"] = "none"
    """tensorboard: losses, measures, sparsity, weights and detections, in runs/<run>/logs; needs the extra `live`."""


def sweep(settings: Sweep) -> Runner:
    """Do what is not done yet, and write the table.

    Raises:
        UserError, DataError: the recipe, its data or its folder cannot be used.
    """
    folder = sweep_folder(settings)
    check_same(settings, folder)
    write_recipe(settings, folder)
    guesses = {"picture": ("step", 0.8 / settings.training.batch_size),
               "step": ("picture", settings.training.batch_size / 0.8)}  # fmt: skip
    with Work({}, guesses, parallel=settings.workers) as work:
        runner = Runner(settings, folder, work, live.log(settings.live))
        if runner.unfinished():
            work.expect(runner.work_left())
            if settings.workers > 1:
                recipe = folder / "recipe.yaml"
                workers.share(recipe, settings.workers, settings.threads, settings.live, work, runner.write_table)
            else:
                prepare(settings)
                runner.go(runner.write_table)
            work.note(f"done in {clock(work.seconds_gone)}")
    runner.write_table()
    return runner


def work_for_parent(settings: Sweep) -> int:
    """Be one of the workers of a sweep that another process has prepared."""
    prepare(settings)
    pipe = workers.Pipe()
    runner = Runner(settings, sweep_folder(settings), pipe, live.log(settings.live), dense_first=True, alone=False)
    runner.go(pipe.ran)
    return 0


def _report(folder: Path) -> None:
    """Draw what can be drawn; what cannot is no failure of the sweep."""
    from report import write_report

    try:
        page = write_report(folder)
    except UserError as error:
        print(f"no report yet: {error}")
        return
    print("plots: " + "  ".join(str(path) for path in sorted(folder.glob("*.png"))))
    print(f"report: {page}")


def main() -> int:
    settings = read_settings(Sweep, __doc__)
    if workers.is_worker():
        return work_for_parent(settings)
    if settings.dry_run:
        threads = workers.threads_each(settings.workers, settings.threads)
        settings = settings.model_copy(update={"threads": threads if settings.workers > 1 else settings.threads})
        prepare(settings)
        print(dryrun.report(settings, settings.workers))
        return 0
    runner = sweep(settings)
    print(f"table: {runner.path / 'runs.csv'}")
    if runner.has_rows():
        _report(runner.path)
    failures = runner.failures()
    for name, why in failures.items():
        print(f"failed: {name}: {why}", file=sys.stderr)
    if failures:
        print(f"{len(failures)} of {len(runner.runs)} runs are not done; the same command tries them again",
              file=sys.stderr)  # fmt: skip
    return 1 if failures else 0


if __name__ == "__main__":
    guarded(main)
