"""The stages of each kind of run: none is done twice, and each ends with one row, written whole."""

from __future__ import annotations

import gc
import json
from typing import Any

import building
import choices
import maskrcnn
import pruning
from grid import Run, RunSettings
from lab import Lab
from measuring import Costs, histograms
from store import RunFolder, plain, whole, write_text
from training import Memory, restore_from, save_model, steps_done

AXES = ("criterion", "arbiter", "scope", "schedule", "budget", "part", "retraining")


class Stages:
    """Does the unfinished stages of one run.

    Args:
        lab: of the run's seed; holds the dense model, if the run is not the one that trains it.
        folder: of the run, locked by this process.
        run: what to do.
    """

    def __init__(self, lab: Lab, folder: RunFolder, run: Run) -> None:
        self.lab, self.folder, self.run, self.settings = lab, folder, run, run.settings
        self.text = run.name.rsplit("-", 1)[0]
        self._shown: maskrcnn.MaskRCNN | None = None  # what was measured last

    def do(self) -> None:
        """All that is not finished."""
        kinds = {"dense": self.dense, "dense_control": self.control, "pruned": self.pruned}
        (self.scratch if self.settings.retraining == "scratch" else kinds[self.settings.kind])()
        gc.collect()  # a smaller model and its graphs refer to one another

    # The kinds

    def dense(self) -> None:
        """Train the dense model, measure it, and what trivial predictors get."""
        if not self.folder.finished("floor"):
            with self.lab.watch("evaluate"):
                floor = self.lab.pictures.floor()
            self._write("floor", floor)
        if not self.folder.model.exists():
            train_dense(self.lab, self.folder, self.settings)
        with self.lab.watch("build"):
            self.lab.take_dense(self.folder.model)
        if not self.folder.finished("dense"):
            self._write("dense", self._training(), self._measured(self.lab.model), self._file())

    def control(self) -> None:
        """Train the dense model on, as the pruned ones are."""
        lab, one = self.lab, self.settings
        lab.restore_dense()
        if not self.folder.model.exists():
            self._resume()
            self._finetune("dense_control")
            save_model(lab.model, self.folder.model)
        else:
            building.read_weights(lab.model, self.folder.model)
        self._write("dense_control", self._tuning(one.finetune.steps), self._measured(lab.model), self._file())
        self.folder.checkpoint.unlink(missing_ok=True)

    def pruned(self) -> None:
        """Prune, recalibrate, fine-tune with the masks held, remove."""
        lab, one, folder = self.lab, self.settings, self.folder
        lab.restore_dense()
        if not (folder.finished("finetuned") and folder.model.exists()):
            plan, last = self._cut()
            if not folder.finished("pruned"):
                self._write("pruned", self._tuning(last), self._measured(lab.model))
            if one.retraining == "none":
                self._histograms(lab.graph("all"))
            if "recalibrated" in self.run.stages:
                if steps_done(lab.model) == last:
                    with lab.watch("prune"):
                        lab.recalibrate(one)
                if not folder.finished("recalibrated"):
                    self._write("recalibrated", self._tuning(last), self._measured(lab.model))
            if one.retraining == "none":
                return
            self._finetune("finetuned")
            row = self._measured(lab.model)
            with lab.watch("prune"):
                small = lab.removed(plan)
            save_model(small, folder.model)
            if not folder.finished("finetuned"):
                self._write("finetuned", self._tuning(one.finetune.steps), row)
        else:
            with lab.watch("build"):
                small = building.saved_model(folder.model)
        lab.restore_dense()
        achieved = {key: folder.read("finetuned")[key] for key in ("achieved", "achieved_filters")}
        self._write("removed", self._tuning(one.finetune.steps), self._measured_small(small, achieved), self._file())
        folder.checkpoint.unlink(missing_ok=True)

    def scratch(self) -> None:
        """Train the smaller network from new weights, as the dense one was."""
        lab, one, folder = self.lab, self.settings, self.folder
        lab.restore_dense()
        with lab.watch("prune"):
            plan = self._plan()
            small = lab.removed(plan)
        if not folder.model.exists():
            with lab.watch("build"):
                building.renew(small, one.seed)
                building.compiled(small, one.training)
            self._resume(small)
            rate = building.training_rates(one.training)
            lab.train(folder, "scratch", one.training.steps, rate, lab.data_seed(one), self.text, small)
            save_model(small, folder.model)
        else:
            building.read_weights(small, folder.model)
        gone = sum(int(group.filters[plan.gone(group.name)].sum()) for group in lab.graph(one.part).prunable)
        every = [sum(int(g.filters.sum()) for g in lab.graph(part).prunable) for part in (one.part, "all")]
        achieved = {"achieved": plan.achieved, "achieved_filters": gone / every[1]}
        self._write("scratch", self._training(), self._measured_small(small, achieved), self._file())
        folder.checkpoint.unlink(missing_ok=True)

    # Their steps

    def _resume(self, model: maskrcnn.MaskRCNN | None = None) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.folder.checkpoint.exists():
            return
        model = model or self.lab.model
        restore_from(self.folder.checkpoint, model)
        self.lab.work.skip("step", steps_done(model))
        self.lab.work.note(f"{self.run.name}: going on after update {steps_done(model)}")

    def _plan(self) -> pruning.Plan:
        """The plan from before, or a new one from the dense weights."""
        path = self.folder.path / "plan.json"
        if path.exists():
            return pruning.Plan.load(path)
        plan = self.lab.plan(self.settings)
        with whole(path) as part:
            plan.save(part)
        return plan

    def _cut(self) -> tuple[pruning.Plan, int]:
        """From dense weights, or the checkpoint, to the last cut or beyond; returns the plan and the cut's step."""
        lab, one = self.lab, self.settings
        self.lab.work.say(f"{self.text}: pruning")
        if one.schedule == "one_shot":
            with lab.watch("prune"):
                plan = self._plan()
                lab.hold(plan, one.part)
            self._resume()
            return plan, 0
        assert one.ratio is not None, "a run that prunes has a ratio"
        schedule = choices.gradual(one.schedule, one.pruning, one.ratio, one.finetune.steps)
        last: int = schedule.end_step  # type: ignore[attr-defined]  # every schedule has one
        path = self.folder.path / "plan.json"
        self._resume()
        if steps_done(lab.model) < last or not path.exists():
            cutter = lab.cutter(one, schedule)
            lab.train(
                self.folder, "pruned", last, self._rate(), lab.data_seed(one), f"{self.text}, gradual pruning",
                callbacks=[cutter], sparsity=lambda step: schedule(step)[1], steps=one.finetune.steps,
            )  # fmt: skip
            assert cutter.plan is not None, "a schedule ends with a cut"
            with whole(path) as part:
                cutter.plan.save(part)
            Memory(lab.model).save(self.folder.checkpoint)
        return pruning.Plan.load(path), last

    def _finetune(self, stage: str) -> None:
        lab, one = self.lab, self.settings
        ratio = one.ratio or 0.0
        lab.train(
            self.folder, stage, one.finetune.steps, self._rate(), lab.data_seed(one), f"{self.text}, fine-tuning",
            sparsity=lambda step: ratio,
        )  # fmt: skip

    def _rate(self):
        one = self.settings
        return building.finetuning_rates(one.finetune, one.training, one.retraining)

    # Rows

    def _training(self) -> dict[str, Any]:
        return {"steps": self.settings.training.steps, "learning_rate": self.settings.training.learning_rate}

    def _tuning(self, steps: int) -> dict[str, Any]:
        """Training columns after so many updates of fine-tuning."""
        if not steps:
            return {"steps": 0}
        return {"steps": steps, "learning_rate": max(self._rate()(step) for step in range(steps))}

    def _file(self) -> dict[str, Any]:
        return {"file_bytes": self.folder.model.stat().st_size}

    def _measured(self, model: maskrcnn.MaskRCNN) -> dict[str, Any]:
        """Costs and measures of the seed's model as it is now."""
        lab, one = self.lab, self.settings
        self._shown = model
        lab.work.say(f"{self.text}: evaluating")
        with lab.watch("evaluate"):
            return {**lab.costs.columns(lab.graph(one.part), one.budget), **lab.measuring.quality(model)}

    def _measured_small(self, small: maskrcnn.MaskRCNN, achieved: dict[str, float]) -> dict[str, Any]:
        """Costs, measures and latency of a smaller model, the dense weights being in the seed's own."""
        lab = self.lab
        self._shown = small
        lab.work.say(f"{self.text}: evaluating what is left")
        with lab.watch("evaluate"):
            graph = pruning.ChannelGraph(small)
            row = Costs(small, lab.measuring).columns(graph) | achieved
            row["achieved_macs"] = 1 - row["macs"] / lab.costs.macs
            row |= lab.measuring.quality(small)
            lab.work.say(f"{self.text}: timing")
            row |= lab.measuring.latency(small, lab.model)
        self._histograms(graph)
        return row

    def _histograms(self, graph: pruning.ChannelGraph) -> None:
        """How the weights were spread before pruning, and are now."""
        before, after = self.lab.histograms, histograms(graph, self.lab.edges)
        parts = {"before": before["parts"], "after": after["parts"]}
        content = {"edges": self.lab.edges, "before": before["layers"], "after": after["layers"], "parts": parts}
        write_text(self.folder.path / "histograms.json", json.dumps(plain(content)) + "\n")

    def _write(self, stage: str, *columns: dict[str, Any]) -> None:
        one = self.settings
        row: dict[str, Any] = {"run": self.run.name, "stage": stage}
        if one.kind == "pruned":
            row |= {axis: getattr(one, axis) for axis in AXES}
            row |= {"asked": one.ratio, "reference": self.run.reference(stage)}
        elif one.kind == "dense_control":
            row |= {"retraining": one.retraining}
        row |= {"seed": one.seed, "repeat": one.repeat}
        for more in columns:
            row |= more
        if self._shown is not None:
            self.lab.log.stage(self.run.stages.index(stage), row, self._shown, self.lab.measuring.images)
        self.folder.write(stage, {**row, **self.lab.watch.lap()})


def train_dense(lab: Lab, folder: RunFolder, one: RunSettings) -> None:
    """Train a seed's dense model, from the checkpoint if there is one, and save it."""
    lab.restore_new()
    if folder.checkpoint.exists():
        restore_from(folder.checkpoint, lab.model)
        lab.work.skip("step", steps_done(lab.model))
        lab.work.note(f"{folder.name}: going on after update {steps_done(lab.model)}")
    rate = building.training_rates(one.training)
    lab.train(folder, "dense", one.training.steps, rate, lab.data_seed(one), f"dense, seed {one.seed}")
    save_model(lab.model, folder.model)
    folder.checkpoint.unlink(missing_ok=True)
