"""The stages of each kind of run: none is done twice, and each ends with one row, written whole."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from typing import Any

import keras

import pruning
from experiments.runs.compared_models import ComparedModels, beside_first
from experiments.runs.compression.compressed_stages import CompressedStages, file_columns
from experiments.runs.grid import Run
from experiments.runs.measuring import Costs, filters_gone
from experiments.runs.retraining.decayed import cut_after_decay
from experiments.runs.retraining.distilled import learning_from_dense
from experiments.runs.retraining.rewound import cut_and_rewind, go_back, keeping
from experiments.runs.rivals.smaller_inputs import measured_on_smaller
from experiments.runs.run_folder import RunFolder, written_whole
from experiments.runs.seed_model import SeedModel
from experiments.runs.training import choices
from experiments.runs.training.dense_training import train_dense
from experiments.runs.training.loop import steps_done
from experiments.runs.training.optimizers import finetuning_rates, training_rates
from experiments.runs.training.state import State, draw_new_weights, read_weights, restore_from, save_model
from experiments.sample_answers import Answers
from experiments.settings.retraining_settings import DECAYING

AXES = ("criterion", "arbiter", "scope", "normaliser", "schedule", "budget", "part", "retraining")


class Stages:
    """Does the unfinished stages of one run.

    Args:
        seed_model: of the run's seed; holds the dense model, if the run is not the one that trains it.
        folder: of the run, locked by this process.
        run: what to do.
        models: that the grid compares; made if not given.

    Raises:
        LeftOut: the network has no more MACs than are to be left.
    """

    def __init__(
        self, seed_model: SeedModel, folder: RunFolder, run: Run, models: ComparedModels | None = None
    ) -> None:
        self.seed_model, self.folder, self.run = seed_model, folder, run
        self.models = models or ComparedModels(seed_model.problem)
        self.settings = self.models.settled(run.settings, seed_model.costs.macs)
        self.text = run.name.rsplit("-", 1)[0]
        self._shown: keras.Model | None = None  # what was measured last
        self._answers: Answers | None = None  # what it answered
        self._step_seconds: float | None = None  # of the training that was done last

    def do(self) -> None:
        """All that is not finished."""
        self.seed_model.selection.clear()
        kinds = {"dense": self.dense, "dense_control": self.control, "pruned": self.pruned}
        kinds["smaller_input"] = self.smaller_input
        # What is measured in fewer bits is the model in the file: a finished run need not be taken up for it.
        if not (self.run.compressed and self.folder.finished(*self.run.uncompressed) and self.folder.model.exists()):
            (self.scratch if self.settings.retraining == "scratch" else kinds[self.settings.kind])()
        CompressedStages(self.seed_model, self.folder, self.run).do()
        gc.collect()  # a smaller model and its graphs refer to one another

    # The kinds

    def dense(self) -> None:
        """Train the dense model, measure it, and what trivial predictors get."""
        if not self.folder.finished("floor"):
            with self.seed_model.watch("evaluate"):
                floor = self.seed_model.measuring.floor()
            self._write("floor", floor)
        if not self.folder.model.exists():
            kept = keeping(self.seed_model.recipe, self.folder)
            self._step_seconds = train_dense(self.seed_model, self.folder, self.settings, kept)
        with self.seed_model.watch("build"):
            self.seed_model.take_dense(self.folder.model)
        if not self.folder.finished("dense"):
            row = self._measured(self.seed_model.model)
            with self.seed_model.watch("evaluate"):
                row |= self.models.latency(self.seed_model.model, self.settings, self.seed_model.measuring)
            self._write("dense", self._training(), row, self._file())

    def control(self) -> None:
        """Train the dense model on, as the pruned ones are."""
        seed_model, run = self.seed_model, self.settings
        seed_model.restore_dense()
        if not self.folder.model.exists():
            self._resume()
            self._finetune("dense_control")
            save_model(seed_model.problem, seed_model.model, self.folder.model)
        else:
            read_weights(seed_model.problem, seed_model.model, self.folder.model)
        self._write("dense_control", self._tuning(run.finetune.steps), self._measured(seed_model.model), self._file())
        self.folder.checkpoint.unlink(missing_ok=True)

    def smaller_input(self) -> None:
        """Measure the dense model, as it is, on smaller pictures."""
        self.seed_model.restore_dense()
        self._write("smaller_input", measured_on_smaller(self.seed_model, self.run, self._measured_small))

    def pruned(self) -> None:
        """Prune, recalibrate, fine-tune with the masks held, remove."""
        seed_model, run, folder = self.seed_model, self.settings, self.folder
        seed_model.restore_dense()
        if not (folder.finished("finetuned") and folder.model.exists()):
            plan, last = self._cut()
            if not folder.finished("pruned"):
                self._write("pruned", self._tuning(last), self._measured(seed_model.model))
            if run.retraining == "none":
                seed_model.write_histograms(folder, seed_model.graph("all"))
            if "recalibrated" in self.run.stages:
                if steps_done(seed_model.model) == last:
                    with seed_model.watch("prune"):
                        seed_model.recalibrate(run)
                if not folder.finished("recalibrated"):
                    self._write("recalibrated", self._tuning(last), self._measured(seed_model.model))
            if run.retraining == "none":
                return
            if run.retraining == "weight_rewind" and steps_done(seed_model.model) == last:
                go_back(seed_model, folder, run, plan, self._dense_folder)
            self._finetune("finetuned")
            row = self._measured(seed_model.model)
            with seed_model.watch("prune"):
                small = seed_model.removed(plan)
            save_model(seed_model.problem, small, folder.model)
            if not folder.finished("finetuned"):
                self._write("finetuned", self._tuning(run.finetune.steps), row)
        else:
            with seed_model.watch("build"):
                small = seed_model.problem.load(folder.model)
        seed_model.restore_dense()
        achieved = {key: folder.read("finetuned")[key] for key in ("achieved", "achieved_filters")}
        self._write("removed", self._tuning(run.finetune.steps), self._measured_small(small, achieved), self._file())
        folder.checkpoint.unlink(missing_ok=True)

    def scratch(self) -> None:
        """Train the smaller network from new weights, as the dense one was."""
        seed_model, run, folder = self.seed_model, self.settings, self.folder
        seed_model.restore_dense()
        with seed_model.watch("prune"):
            plan = self._plan()
            small = seed_model.removed(plan)
        if not folder.model.exists():
            with seed_model.watch("build"):
                draw_new_weights(small, run.seed)
                seed_model.compiled(small, run.training)
            self._resume(small)
            rate = training_rates(run.training)
            self._step_seconds = seed_model.train(
                folder, "scratch", run.training.steps, rate, seed_model.data_seed(run), self.text, small
            )
            save_model(seed_model.problem, small, folder.model)
        else:
            read_weights(seed_model.problem, small, folder.model)
        gone = {group.name: plan.gone(group.name) for group in seed_model.graph(run.part).prunable}
        achieved = {"achieved": plan.achieved, "achieved_filters": filters_gone(seed_model.graph("all"), gone)}
        self._write("scratch", self._training(), self._measured_small(small, achieved), self._file())
        folder.checkpoint.unlink(missing_ok=True)

    # Their steps

    def _resume(self, model: keras.Model | None = None) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.folder.checkpoint.exists():
            return
        model = model or self.seed_model.model
        restore_from(self.folder.checkpoint, model)
        self.seed_model.work.skip("step", steps_done(model))
        self.seed_model.work.note(f"{self.run.name}: going on after update {steps_done(model)}")

    def _plan(self) -> pruning.Plan:
        """The plan from before, or a new one from the dense weights."""
        path = self.folder.path / "plan.json"
        if path.exists():
            return pruning.Plan.load(path)
        plan = self.seed_model.plan(self.settings)
        with written_whole(path) as part:
            plan.save(part)
        return plan

    def _cut(self) -> tuple[pruning.Plan, int]:
        """From dense weights, or the checkpoint, to the last cut or beyond; returns the plan and the cut's step."""
        seed_model, run = self.seed_model, self.settings
        self.seed_model.work.say(f"{self.text}: pruning")
        if run.retraining in DECAYING:
            return cut_after_decay(seed_model, self.folder, run, self.text, self._resume)
        if run.retraining == "weight_rewind":
            return cut_and_rewind(seed_model, self.folder, run, self.text, self._resume, self._dense_folder)
        if run.schedule == "one_shot":
            with seed_model.watch("prune"):
                plan = self._plan()
                seed_model.hold(plan, run.part)
            self._resume()
            return plan, 0
        assert run.ratio is not None, "a run that prunes has a ratio"
        schedule = choices.gradual(run.schedule, run.pruning, run.ratio, run.finetune.steps)
        last: int = schedule.end_step  # type: ignore[attr-defined]  # every schedule has one
        path = self.folder.path / "plan.json"
        self._resume()
        if steps_done(seed_model.model) < last or not path.exists():
            callback = seed_model.gradual(run, schedule)
            with warnings.catch_warnings(), learning_from_dense(seed_model, run, self._dense_folder) as more:
                # One training may be several calls of `fit`, each of which ends.
                warnings.filterwarnings("ignore", "training ended at step")
                seed_model.train(
                    self.folder, "pruned", last, self._rate(), seed_model.data_seed(run),
                    f"{self.text}, gradual pruning", callbacks=[callback, *more],
                    sparsity=lambda step: schedule(step)[1], steps=run.finetune.steps,
                )  # fmt: skip
            assert callback.plan is not None, "a schedule ends with a cut"
            with written_whole(path) as part:
                callback.plan.save(part)
            State(seed_model.model).save(self.folder.checkpoint)
        return pruning.Plan.load(path), last

    def _finetune(self, stage: str) -> None:
        seed_model, run = self.seed_model, self.settings
        ratio = run.ratio or 0.0
        with learning_from_dense(seed_model, run, self._dense_folder) as more:
            self._step_seconds = seed_model.train(
                self.folder, stage, run.finetune.steps, self._rate(), seed_model.data_seed(run),
                f"{self.text}, fine-tuning", callbacks=more, sparsity=lambda step: ratio,
            )  # fmt: skip

    @property
    def _dense_folder(self) -> RunFolder:
        """Of the dense run that this one starts from."""
        assert self.run.dense is not None, "a dense run starts from none"
        return RunFolder(self.folder.path.parent / self.run.dense)

    def _rate(self) -> Callable[[int], float]:
        return finetuning_rates(self.settings.finetune, self.settings.training, self.settings.retraining)

    # Rows

    def _training(self) -> dict[str, Any]:
        return {"steps": self.settings.training.steps, "learning_rate": self.settings.training.learning_rate}

    def _tuning(self, steps: int) -> dict[str, Any]:
        """Training columns after so many updates of fine-tuning."""
        if not steps:
            return {"steps": 0}
        return {"steps": steps, "learning_rate": max(self._rate()(step) for step in range(steps))}

    def _file(self) -> dict[str, Any]:
        return file_columns(self.folder.model, gzipped=bool(self.run.compressed))

    def _measured(self, model: keras.Model) -> dict[str, Any]:
        """Costs and measures of the seed's model as it is now."""
        seed_model, run = self.seed_model, self.settings
        self._shown = model
        seed_model.work.say(f"{self.text}: evaluating")
        with seed_model.watch("evaluate"):
            quality, self._answers = seed_model.measuring.quality_and_answers(model)
            return seed_model.costs.columns(seed_model.graph(run.part), run.budget) | quality

    def _measured_small(self, small: keras.Model, achieved: dict[str, float]) -> dict[str, Any]:
        """Costs, measures and latency of a smaller model, the dense weights being in the seed's own."""
        seed_model = self.seed_model
        self._shown = small
        seed_model.work.say(f"{self.text}: evaluating what is left")
        with seed_model.watch("evaluate"):
            graph = pruning.ChannelGraph(small)
            row = Costs(seed_model.problem, small).columns(graph) | achieved
            row["achieved_macs"] = 1 - row["macs"] / seed_model.costs.macs
            quality, self._answers = seed_model.measuring.quality_and_answers(small)
            row |= quality
            seed_model.work.say(f"{self.text}: timing")
            row |= seed_model.measuring.latency(small, seed_model.model)
            row |= beside_first(row, self._dense_folder.read("dense"))
        seed_model.write_histograms(self.folder, graph)
        return row

    def _write(self, stage: str, *columns: dict[str, Any]) -> None:
        run = self.settings
        row: dict[str, Any] = {"run": self.run.name, "stage": stage, **self.models.columns(run)}
        if run.kind == "pruned":
            row |= {axis: getattr(run, axis) for axis in AXES if axis != "normaliser" or run.scope != "layer"}
            row |= {"asked": run.ratio, "reference": self.run.reference(stage)}
        elif run.kind == "dense_control":
            row |= {"retraining": run.retraining}
        row |= {"seed": run.seed, "repeat": run.repeat}
        answers, self._answers = self._answers, None
        if answers is not None:
            row |= self.seed_model.measuring.keep(answers, self.folder, stage, self.run.dense)
        if run.kind == "pruned":
            row |= self.seed_model.selection.of_row(self.folder, self.run.stages[0], stage)
        for more in columns:
            row |= more
        if self._step_seconds is not None:
            row["step_seconds"], self._step_seconds = self._step_seconds, None
        if self._shown is not None:
            number = self.run.stages.index(stage)
            self.seed_model.log.stage(number, row, self._shown, self.seed_model.problem)
        self.folder.write(stage, {**row, **self.seed_model.watch.lap()})
