"""Does runs of a sweep in this process, each while no other process does it."""

from __future__ import annotations

import gc
import hashlib
import inspect
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.runs import tensorflow_setup  # isort: skip  # before anything that imports TensorFlow
from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.problem import Problem
from experiments.runs import provenance
from experiments.runs.compared_models import ComparedModels, LeftOut
from experiments.runs.compression.compressed_stages import check_compressions
from experiments.runs.grid import Run, grid
from experiments.runs.monitoring import run_log
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.run_log import RunLog
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.rivals.smaller_inputs import check_smaller_inputs
from experiments.runs.run_folder import RunFolder, WriteError, is_write_error, written_whole
from experiments.runs.seed_model import SeedModel
from experiments.runs.stages import Stages
from experiments.runs.sweep_folder import folder_of, recipe_fields

if TYPE_CHECKING:
    from experiments.runs.executors.jobs import Order


def runner_of(order: Order, meter: Meter) -> Runner:
    """The runner of a process that has been given an order; sets the process's threads."""
    tensorflow_setup.prepare(order.threads)
    return Runner(open_problem(order.recipe), meter, run_log(order.log), order.began, order.folder)


def units_left(run: Run, folder: RunFolder, examples: int) -> Counter[str]:
    """Units of work that a run still has: training steps, and held-out samples to evaluate."""
    settings, left = run.settings, [stage for stage in run.stages if not folder.finished(stage)]
    steps = 0
    if settings.kind == "smaller_input":
        pass  # measured as it is
    elif settings.kind == "dense" or settings.retraining == "scratch":
        steps = 0 if folder.model.exists() else settings.training.steps
    elif settings.retraining != "none":
        steps = settings.finetune.steps if not folder.finished("finetuned") and left else 0
    return Counter(step=steps, picture=examples * len([stage for stage in left if stage != "floor"]))


class Runner:
    """Attempts runs of a recipe. A run that fails is recorded and left; others go on.

    Args:
        problem: with its recipe.
        work: where progress is reported.
        log: where runs are followed live.
        began: seconds of the epoch when the sweep was started; older failures are tried again.
        folder: of the sweep; the recipe's own if None.

    Attributes:
        runs: all runs of the recipe by name, in the grid's order.
        models: that its grid compares.
        seed_model: of the model and seed that were worked on last.
    """

    def __init__(
        self,
        problem: Problem,
        work: Meter,
        log: RunLog | None = None,
        began: float | None = None,
        folder: Path | None = None,
    ) -> None:
        self.problem, self.recipe = problem, problem.recipe
        self.path = folder or folder_of(problem.recipe)
        self.work, self.log = work, log or RunLog()
        self.runs = {run.name: run for run in grid(problem.recipe)}
        self.models = ComparedModels(problem)
        self.seed_model: SeedModel | None = None
        self._network = ""
        self._began = time.time() if began is None else began
        self._watch = Stopwatch()

    def folder(self, name: str) -> RunFolder:
        """A run's folder."""
        return RunFolder(self.path / "runs" / name)

    def unfinished(self) -> list[Run]:
        """Runs that have a stage to do, and dense ones whose model is missing and wanted."""
        left = [run for run in self.runs.values() if not self._over(run)]
        wanted = {run.dense for run in left if run.dense}
        lost = [name for name in wanted if not self.folder(name).model.exists()]
        names = {*(run.name for run in left), *lost}
        return [run for name, run in self.runs.items() if name in names]

    def _over(self, run: Run) -> bool:
        folder = self.folder(run.name)
        return folder.finished(*run.stages) or folder.finished("left_out")

    def work_left(self) -> Counter[str]:
        """Units of work of all unfinished runs."""
        return self.units(self.unfinished())

    def units(self, runs: Iterable[Run]) -> Counter[str]:
        """Units of work that runs still have."""
        size = self.problem.examples(self.recipe.evaluation.split)
        return sum((units_left(run, self.folder(run.name), size) for run in runs), Counter())

    def failures(self) -> dict[str, str]:
        """Unfinished run -> what went wrong since this sweep began, or which run it waits for."""
        found = {}
        for run in self.unfinished():
            error = self.folder(run.name).error(self._began)
            found[run.name] = error or (f"waits for {run.dense}" if run.dense else "not done")
        return found

    def changed_code(self) -> list[str]:
        """A line where finished runs were made with another version of the problem's file; they are kept."""
        code, other = code_of(self.problem), 0
        for name in self.runs:
            folder = self.folder(name)
            if folder.finished("record"):
                record = folder.read("record")
                other += bool(record.get("finished")) and record.get("code") not in (None, code)
        if not other:
            return []
        return [
            f"note: the file of {type(self.problem).__name__} has changed since {other} of these runs were finished; "
            "they are kept as they are. To make all of them with the new one, choose another --name"
        ]

    def attempt(self, name: str) -> str:
        """Do a run if it is free.

        Returns:
            "done" (also where the run failed, which is recorded), "gone" if there is nothing to do or its dense run
            failed, or "later" if another process holds it or its dense model is not there yet.

        Raises:
            UserError: the data or the model cannot be made, or nothing can be written.
        """
        run = self.runs[name]
        folder = self.folder(name)
        if run.dense and not self.folder(run.dense).model.exists():
            if self.folder(run.dense).error(self._began):
                self._skip(run)
                return "gone"
            return "later"
        with folder.lock() as mine:
            if not mine:
                return "later"
            if run not in self.unfinished() or folder.error(self._began):  # done by another process, meanwhile
                self._skip(run)
                return "gone"
            with self._watch("build"):
                seed_model = self._ready(run)
            self._do(seed_model, run, folder)
        return "done"

    def _ready(self, run: Run) -> SeedModel:
        """The network of a run, with the dense weights that it needs."""
        if self.seed_model is None or self._network != run.network:
            self.seed_model = None  # its memory first
            gc.collect()
            problem = self.models.problems[run.settings.variant]
            self.seed_model = SeedModel(problem, run.settings.seed, self.work, self._watch, self.log)
            self._network = run.network
            _ = self.seed_model.costs
            check_compressions(self.problem, self.recipe.quantize)
            check_smaller_inputs(problem, self.seed_model.model)
            for part in ("all", *self.recipe.grid.part):  # what cannot be pruned is said before anything is trained
                self.seed_model.graph(part)
        if run.dense and not self.seed_model.has_dense:
            self.seed_model.take_dense(self.folder(run.dense).model)
        return self.seed_model

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
                with written_whole(folder.path / path.name) as part:
                    shutil.copyfile(path, part)
        self.work.note(f"{run.name}: the dense model is a copy of {source.model}")

    def _do(self, seed_model: SeedModel, run: Run, folder: RunFolder) -> None:
        try:
            begin(self.problem, run, folder)
            self._borrow(run, folder)
            self.log.begin(folder.path)
            Stages(seed_model, folder, run, self.models).do()
            provenance.end(folder)
            folder.clear_error()
        except LeftOut as reason:
            folder.write("left_out", {"reason": str(reason)})
            self.work.note(f"{run.name} is left out: {reason}")
            self._skip(run)
        except Exception as error:
            if is_write_error(error):
                raise error if isinstance(error, WriteError) else WriteError(str(error)) from None
            folder.write_error(error)
            self.work.note(f"{run.name} failed: {folder.error()}; the others go on")
            self._skip(run)
        finally:
            self.log.end()

    def _skip(self, run: Run) -> None:
        size = self.problem.examples(self.recipe.evaluation.split)
        for kind, count in units_left(run, self.folder(run.name), size).items():
            self.work.skip(kind, count)


def begin(problem: Problem, run: Run, folder: RunFolder) -> None:
    """Write what a run is made from, as it begins or goes on."""
    folder.write("settings", run.settings.changed())
    recipe = problem.recipe.model_dump(mode="json", include=recipe_fields(problem.recipe))
    provenance.begin(folder, {**recipe, "problem": run.settings.problem}, code_of(problem))


def code_of(problem: Problem) -> str | None:
    """A hash of the file that defines a problem; None where there is none, as in a notebook."""
    try:
        source = inspect.getsourcefile(type(problem))
        return None if source is None else hashlib.sha256(Path(source).read_bytes()).hexdigest()
    except (OSError, TypeError):
        return None


def check_data(problem: Problem, work: Meter) -> None:
    """Look at the data of a problem before anything is written; what is to be said of them goes to `work`.

    Raises:
        UserError: they cannot be used.
    """
    work.say("reading the data")
    checked = ComparedModels(problem).problems.values()
    for line in dict.fromkeys(line for one in checked for line in one.check()):
        work.note(line)
    split = problem.recipe.evaluation.split
    if split not in problem.splits:
        raise UserError(
            f"evaluation.split = {split!r}: {type(problem).__name__} has {', '.join(problem.splits) or 'no splits'}"
        )
