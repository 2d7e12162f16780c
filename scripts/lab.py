"""The one model of a sweep and all that is done with it: trained, restored, pruned, fine-tuned, measured.

One instance and one compiled training step serve every run: weights and optimizer are restored between runs,
and masks are variables of the optimizer.
"""

from __future__ import annotations

import math
import time
from typing import Any

import building
import maskrcnn
import pruning
import schedules
from dense import Dense
from maskrcnn.evaluation import columns, evaluate, floors, probe_set
from progress import Work
from settings import PruningSettings, Recipe, ScheduleSettings
from training import Memory, fit, steps_done, stream

CRITERIA = {
    "l1": lambda seed: pruning.L1(),
    "l2": lambda seed: pruning.L2(),
    "random": lambda seed: pruning.Random(seed=seed),
}


class Lab:
    """A model with its data, measures and costs.

    Args:
        recipe: the experiment.
        work: where progress is reported: kinds "step" and "picture".

    Raises:
        UserError, DataError: the recipe's data or model cannot be made.
    """

    def __init__(self, recipe: Recipe, work: Work) -> None:
        self.recipe, self.work = recipe, work
        work.say("reading the data")
        self.train_set = building.dataset(recipe.data, "train")
        test = building.dataset(recipe.data, "test", self.train_set.class_names)
        limit = recipe.evaluation.limit
        self.test_set = test if limit is None else test.subset(range(min(limit, len(test))))
        for split in (self.train_set, test):
            if split.dropped:
                faults = ", ".join(f"{count} x {reason}" for reason, count in split.dropped.items())
                work.note(f"{split.name}: left out {faults}")
        self.probes = probe_set(self.test_set, recipe.evaluation.probe_seed)
        work.say("building the network")
        self.model = building.model(recipe, self.train_set.class_names)
        self.graph = pruning.ChannelGraph(
            self.model, include=recipe.pruning.include or None, exclude=recipe.pruning.exclude or None
        )
        self._fresh = [variable.numpy() for variable in self.model.optimizer.variables]
        self._dense: Memory | None = None

    # The dense model

    def make_dense(self, dense: Dense) -> dict[str, Any]:
        """Train the dense model, or take the one that is there; returns the row's training columns."""
        training = self.recipe.training
        row = {"steps": training.steps, "learning_rate": training.learning_rate}
        if dense.finished:
            self.model.set_weights(maskrcnn.load(dense.path).get_weights())
        else:
            row["train_seconds"] = dense.train(self.model, self.train_set, self.work)
        for variable, value in zip(self.model.optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        self._dense = Memory(self.model)
        return row

    # Runs

    def restore_dense(self) -> None:
        """Dense weights, and an optimizer that has done nothing and holds no masks."""
        self._dense.restore()

    def prune(self, method: str, ratio: float) -> dict[str, Any]:
        """From the dense weights to the last cut; returns the training columns of the stage `pruned`."""
        self.restore_dense()
        settings, tune = self.recipe.pruning, self.recipe.pruning.finetune
        criterion = CRITERIA[method](self.recipe.seed)
        how = {"scope": settings.scope, "round_to": settings.round_to}
        if settings.schedule.name == "one_shot":
            plan = pruning.plan(self.graph, criterion(self.graph), ratio, **how)
            pruning.hold(self.model, plan, self.graph)
            return {"steps": 0, "train_seconds": 0.0}
        schedule = gradual(settings.schedule, ratio, tune.steps)
        callback = pruning.PruningCallback(criterion, schedule, graph=self.graph, **how)
        text = f"{method} {ratio:g}: gradual pruning"
        seconds = self._train(schedule.end_step, text, [callback])
        return {"steps": schedule.end_step, "learning_rate": tune.learning_rate, "train_seconds": seconds}

    def finetune(self, text: str) -> dict[str, Any]:
        """Go on to the end of fine-tuning with whatever masks are held; returns the training columns."""
        tune = self.recipe.pruning.finetune
        seconds = self._train(tune.steps, f"{text}: fine-tuning")
        return {"steps": tune.steps, "learning_rate": tune.learning_rate, "train_seconds": seconds}

    def _train(self, until: int, text: str, callbacks=()) -> float:
        training, began = self.recipe.training, time.monotonic()
        rate = building.finetuning_rates(self.recipe.pruning.finetune)
        self.work.say(text)

        def report(logs: dict[str, float]) -> None:
            done = steps_done(self.model)
            self.work.did("step", 1, f"{done}/{until}, loss {logs.get('loss', math.nan):.3f}")

        def batches(step: int):
            seed = 2 * self.recipe.seed + 1  # another order of the pictures than training met
            return stream(
                self.train_set, self.model.config, training.batch_size, seed, training.augment, step
            )

        fit(self.model, batches, until, rate, report, callbacks)
        return round(time.monotonic() - began, 2)

    # Measures

    def measure(self, text: str) -> dict[str, Any]:
        """Cost, achieved sparsity and every measure of the model as it is now, as columns of a row."""
        self.work.say(f"{text}: evaluating")
        began = time.monotonic()
        size = self.recipe.evaluation.batch_size
        found = evaluate(
            self.model, self._counted(self.test_set), batch_size=size, progress=False, probes=self.probes
        )
        seconds = round(time.monotonic() - began, 2)
        return {"achieved": self.achieved(), **self.costs(), **columns(found), "evaluate_seconds": seconds}

    def floor(self) -> dict[str, Any]:
        """Measures of trivial predictors, as columns of a row."""
        return columns(floors(self.test_set, self.probes))

    def achieved(self) -> float:
        """Fraction of the prunable groups' filters that are zero in the weights."""
        gone = pruning.silent(self.graph)
        filters = {group.name: group.filters for group in self.graph.prunable}
        cut = sum(int(filters[name][mask].sum()) for name, mask in gone.items())
        return cut / sum(int(count.sum()) for count in filters.values())

    def costs(self) -> dict[str, Any]:
        """The cost columns of the model as it is now."""
        config, wanted = self.model.config, self.recipe.evaluation
        step = config.size_divisor
        height, width = (-(-side // step) * step for side in (config.min_size, config.max_size))
        rois = wanted.rois or config.post_nms_test
        detections = wanted.detections or self._objects()
        cost = pruning.cost(self.model, self.model.input_shapes((height, width), rois, detections))
        left = cost.effective
        return {
            "params": cost.params,
            "macs": cost.macs,
            "effective_params": left.params,
            "effective_macs": left.macs,
            "effective_bytes": left.bytes,
            "macs_image": f"{height}x{width}",
            "macs_rois": rois,
            "macs_detections": detections,
        }

    def _objects(self) -> int:
        """Mean number of objects of a held-out picture, rounded up."""
        objects = sum(len(probes.mask_boxes) for probes in self.probes)
        return max(1, math.ceil(objects / len(self.test_set)))

    def _counted(self, dataset: maskrcnn.data.Dataset) -> maskrcnn.data.Dataset:
        def read(index: int):
            if index:  # the time since the last report belongs to the picture before
                self.work.did("picture", 1, f"{index}/{len(dataset)}")
            return dataset[index]

        return maskrcnn.data.Dataset(dataset.name, dataset.class_names, len(dataset), read)


def gradual(settings: ScheduleSettings, ratio: float, steps: int) -> schedules.PolynomialDecay:
    """The gradual schedule of a run whose fine-tuning has `steps` updates."""
    return schedules.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=ratio,
        begin_step=0,
        end_step=max(1, round(settings.share * steps)),
        power=settings.power,
        frequency=settings.frequency,
    )


def schedule_text(settings: PruningSettings) -> str:
    """The schedule in a word or two, for the table."""
    name, share, power = settings.schedule.name, settings.schedule.share, settings.schedule.power
    return name if name == "one_shot" else f"{name} {share:g} ^{power:g}"
