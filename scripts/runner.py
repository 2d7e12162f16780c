"""Does a sweep's runs, one after another, beside other processes that do the same."""

from __future__ import annotations

import gc
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import building
import record
import table
from columns import STAGES
from grid import Run, grid
from lab import Lab
from live import Log
from pictures import Pictures
from progress import Meter
from settings import Recipe
from stages import Stages
from stopwatch import Stopwatch
from store import RunFolder, WriteError, is_write_error, whole

_WAIT_SECONDS = 1.0  # between looks at runs that other processes hold


def units_left(run: Run, folder: RunFolder, pictures: int) -> Counter[str]:
    """Units of work that a run still has: training steps, and held-out pictures to evaluate."""
    one, left = run.settings, [stage for stage in run.stages if not folder.finished(stage)]
    steps = 0
    if one.kind == "dense" or one.retraining == "scratch":
        steps = 0 if folder.model.exists() else one.training.steps
    elif one.retraining != "none":
        steps = one.finetune.steps if not folder.finished("finetuned") and left else 0
    return Counter(step=steps, picture=pictures * len([stage for stage in left if stage != "floor"]))


class Runner:
    """Does the unfinished runs of a recipe.

    A run that another process holds is looked at again later, so is one whose dense model is not there yet. A run that
    fails is recorded and left; the rest goes on.

    Args:
        recipe: the experiment.
        folder: of the sweep.
        work: where progress is reported.
        log: where runs are followed live.
        dense_first: train every dense model before anything else, so that several processes have work.
        alone: whether units of runs that others finish are taken off the progress here.

    Attributes:
        runs: all runs of the recipe.
        lab: of the seed that was worked on last.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        work: Meter,
        log: Log | None = None,
        dense_first: bool = False,
        alone: bool = True,
    ) -> None:
        self.recipe, self.path, self.work, self.log = recipe, folder, work, log or Log()
        self.runs = {run.name: run for run in grid(recipe)}
        self._order = {name: number for number, name in enumerate(self.runs)}
        self._dense_first, self._alone = dense_first, alone
        self._began = time.time()
        self._watch = Stopwatch()
        self._pictures: Pictures | None = None
        self.lab: Lab | None = None
        self._recipe = recipe.model_dump(mode="json", include=set(Recipe.model_fields))

    def folder(self, name: str) -> RunFolder:
        """A run's folder."""
        return RunFolder(self.path / "runs" / name)

    def unfinished(self) -> list[Run]:
        """Runs that have a stage to do, and dense ones whose model is missing and wanted."""
        left = [run for run in self.runs.values() if not self.folder(run.name).finished(*run.stages)]
        wanted = {run.dense for run in left if run.dense} - {run.name for run in left}
        lost = [self.runs[name] for name in wanted if not self.folder(name).model.exists()]
        return sorted([*left, *lost], key=lambda run: self._order[run.name])

    def work_left(self) -> Counter[str]:
        """Units of work of all unfinished runs."""
        size = self.held_out()
        return sum((units_left(run, self.folder(run.name), size) for run in self.unfinished()), Counter())

    def held_out(self) -> int:
        """Number of pictures that each stage is measured on."""
        if self._pictures is not None:
            return len(self._pictures.test)
        found = len(building.dataset(self.recipe.data, "test"))
        return min(found, self.recipe.evaluation.limit or found)

    def failures(self) -> dict[str, str]:
        """Unfinished run -> what went wrong since this sweep began, or which run it waits for."""
        found = {}
        for run in self.unfinished():
            error = self.folder(run.name).error(self._began)
            found[run.name] = error or (f"waits for {run.dense}" if run.dense else "not done")
        return found

    def has_rows(self) -> bool:
        """Whether any stage is finished."""
        return any(path.stem in STAGES for path in self.path.glob("runs/*/*.json"))

    def write_table(self) -> None:
        """Make the sweep's table, if there is anything to put in it."""
        if self.has_rows():
            table.write_table(self.path)

    def go(self, finished: Callable[[], Any] = lambda: None) -> None:
        """Do all that can be done.

        Args:
            finished: called after every run, whatever became of it.

        Raises:
            UserError, DataError: the data or the model cannot be made, or nothing can be written.
        """
        pending = self.unfinished()
        while pending:
            pending.sort(key=self._rank)
            acted = False
            for run in pending:
                state = self._attempt(run)
                if state == "later":
                    continue
                pending.remove(run)
                acted = True
                if state == "done":
                    finished()
                break
            if not acted:
                self.work.say("waiting for another process")
                with self._watch("wait"):
                    time.sleep(_WAIT_SECONDS)

    def _rank(self, run: Run) -> tuple:
        """Dense models first if asked, then what the lab is ready for, then the grid's order."""
        seed = self.lab.seed if self.lab else run.settings.seed
        later = self._dense_first and run.dense is not None
        return later, run.settings.seed != seed, self._order[run.name]

    def _attempt(self, run: Run) -> str:
        """Do a run if it is free: "done" (or failed) here, "gone" if there is nothing to do, or "later"."""
        folder = self.folder(run.name)
        if run.dense and not self.folder(run.dense).model.exists():
            if self.folder(run.dense).error(self._began):
                self._skip(run)
                return "gone"
            return "later"
        with folder.lock() as mine:
            if not mine:
                return "later"
            if run not in self.unfinished() or folder.error(self._began):  # done by another process, meanwhile
                if self._alone:
                    self._skip(run)
                return "gone"
            with self._watch("build"):
                lab = self._ready(run)
            self._do(lab, run, folder)
        return "done"

    def _ready(self, run: Run) -> Lab:
        """The lab of a run's seed, holding the dense model that it needs."""
        if self._pictures is None:
            self._pictures = Pictures(self.recipe, self.work)
        if self.lab is None or self.lab.seed != run.settings.seed:
            self.lab = None  # its memory first
            gc.collect()
            self.lab = Lab(self.recipe, run.settings.seed, self._pictures, self.work, self._watch, self.log)
            _ = self.lab.costs, self.lab.graph("all")
        if run.dense and not self.lab.has_dense:
            self.lab.take_dense(self.folder(run.dense).model)
        return self.lab

    def _borrow(self, run: Run, folder: RunFolder) -> None:
        """Copy the dense model of another sweep, where it has the same."""
        if run.dense or folder.model.exists() or self.recipe.dense_from is None:
            return
        source = RunFolder(Path(self.recipe.dense_from) / "runs" / run.name)
        if not source.model.exists():
            self.work.note(f"{source.path} has no model.keras: {run.name} is trained here")
            return
        for path in (source.path / "history.csv", source.model):
            if path.exists():
                with whole(folder.path / path.name) as part:
                    shutil.copyfile(path, part)
        self.work.note(f"{run.name}: the dense model is a copy of {source.model}")

    def _do(self, lab: Lab, run: Run, folder: RunFolder) -> None:
        try:
            folder.write("settings", run.settings.changed())
            record.begin(folder, self._recipe)
            self._borrow(run, folder)
            self.log.begin(folder.path)
            Stages(lab, folder, run).do()
            record.end(folder)
            folder.clear_error()
        except Exception as error:
            if is_write_error(error):
                raise error if isinstance(error, WriteError) else WriteError(str(error)) from None
            folder.write_error(error)
            self.work.note(f"{run.name} failed: {folder.error()}; the others go on")
            self._skip(run)
        finally:
            self.log.end()

    def _skip(self, run: Run) -> None:
        for kind, count in units_left(run, self.folder(run.name), self.held_out()).items():
            self.work.skip(kind, count)
