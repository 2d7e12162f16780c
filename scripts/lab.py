"""The one model of a seed and what is done to it: restored, pruned, trained, taken apart.

One instance and one compiled training step serve all masked stages of all runs: weights and optimizer are restored
between runs, and masks are variables of the optimizer. Only what is physically smaller is compiled anew.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

import building
import choices
import maskrcnn
import pruning
from grid import RunSettings
from history import History, epoch_steps
from live import Log
from measuring import Costs, Measuring, bins, histograms
from pictures import Pictures
from progress import Meter
from settings import Recipe
from stopwatch import Stopwatch
from store import RunFolder
from training import Memory, bare, fit, steps_done, stream

_REPEAT = 1_000_000  # between the data seeds of two repeats


class Lab:
    """A seed's model with its graph, costs and measures.

    Args:
        recipe: the experiment.
        seed: of weights, samplers and random scores.
        pictures: the recipe's data.
        work: where progress is reported: kinds "step" and "picture".
        watch: counts the time.
        log: where training is followed live.

    Raises:
        UserError: the recipe's model cannot be made.
    """

    def __init__(
        self, recipe: Recipe, seed: int, pictures: Pictures, work: Meter, watch: Stopwatch, log: Log | None = None
    ) -> None:
        self.recipe, self.seed, self.pictures = recipe, seed, pictures
        self.work, self.watch, self.log = work, watch, log or Log()
        work.say("building the network")
        self.model = building.model(recipe, pictures.train.class_names, seed)
        self._graphs: dict[str, pruning.ChannelGraph] = {}
        self._criteria: dict[tuple[str, str], pruning.TaskCriterion] = {}
        self._dense_scores: dict[tuple[str, str], dict[str, pruning.Scores]] = {}
        self._fresh = Memory(self.model)
        self._dense: Memory | None = None

    @functools.cached_property
    def measuring(self) -> Measuring:
        """Measures models on the held-out pictures."""
        return Measuring(self.recipe, self.pictures, self.model.config, self.work)

    @functools.cached_property
    def costs(self) -> Costs:
        """Costs of the seed's model."""
        return Costs(self.model, self.measuring)

    def graph(self, part: str) -> pruning.ChannelGraph:
        """What may be pruned: in "all" parts, or in one."""
        if part not in self._graphs:
            wanted = self.recipe.pruning
            include = (wanted.include or None) if part == "all" else part
            self._graphs[part] = pruning.ChannelGraph(self.model, include=include, exclude=wanted.exclude or None)
        return self._graphs[part]

    # States

    def restore_new(self) -> None:
        """The weights that the seed gives."""
        self._fresh.restore()

    def take_dense(self, path: Path) -> None:
        """Read the dense model that all pruned ones start from."""
        self._fresh.restore()
        building.read_weights(self.model, path)
        self._dense = Memory(self.model)
        self._dense_scores.clear()
        self.edges = bins(self.graph("all"))
        self.histograms = histograms(self.graph("all"), self.edges)

    @property
    def has_dense(self) -> bool:
        return self._dense is not None

    def restore_dense(self) -> None:
        """Dense weights, and an optimizer that has done nothing and holds no masks."""
        assert self._dense is not None, "take_dense comes first"
        self._dense.restore()

    # Choosing channels

    def score(self, one: RunSettings, kept: bool = False) -> pruning.Scores:
        """Score the channels that a run may lose, from the weights as they are now.

        Args:
            one: the run's settings.
            kept: whether the weights are the dense ones, whose scores serve several runs.
        """
        graph = self.graph(one.part)
        assert one.criterion is not None, "a run that prunes has a criterion"
        if one.criterion in choices.FROM_WEIGHTS:
            return choices.from_weights(one.criterion, self.seed)(graph)
        assert one.arbiter is not None, "a criterion by task has an arbiter"
        key = (one.criterion, one.part)
        if key not in self._criteria:  # they are kept, because each compiles its gradients once
            batches = self.pictures.some(
                one.pruning.criterion_pictures, self.seed, self.model.config, self.recipe.training.batch_size
            )
            self._criteria[key] = choices.from_data(
                one.criterion, self.model, batches, self.costs.shapes, one.pruning.chunk
            )
        if not kept:
            by_task = self._criteria[key].by_task(graph)
        else:
            if key not in self._dense_scores:
                self._dense_scores[key] = self._criteria[key].by_task(graph)
            by_task = self._dense_scores[key]
        return choices.ARBITERS[one.arbiter]()(by_task)

    def plan(self, one: RunSettings) -> pruning.Plan:
        """The plan of a run that loses its channels at once, from the dense weights, which are in the model."""
        assert one.ratio is not None, "a run that prunes has a ratio"
        return pruning.plan(self.graph(one.part), self.score(one, kept=True), one.ratio, **self._how(one))

    def cutter(self, one: RunSettings, schedule: Any) -> pruning.PruningCallback:
        """Prunes little by little while the model trains."""

        def criterion(graph: pruning.ChannelGraph) -> pruning.Scores:
            with self.watch("prune"):
                return self.score(one)

        return pruning.PruningCallback(criterion, schedule, graph=self.graph(one.part), **self._how(one))

    def _how(self, one: RunSettings) -> dict[str, Any]:
        return {
            "scope": one.scope,
            "measure": one.budget,
            "round_to": one.pruning.round_to,
            "min_channels": one.pruning.min_channels,
            "input_shapes": None if one.budget == "filters" else self.costs.shapes,
        }

    def hold(self, plan: pruning.Plan, part: str) -> None:
        """Silence a plan's channels and keep them so."""
        pruning.hold(self.model, plan, self.graph(part))

    def recalibrate(self, one: RunSettings) -> None:
        """Estimate the batch norms anew on some training pictures."""
        count, size = one.pruning.recalibration_pictures, self.recipe.training.batch_size
        pruning.recalibrate(self.model, self.pictures.some(count, self.seed + 1, self.model.config, size))

    def removed(self, plan: pruning.Plan) -> maskrcnn.MaskRCNN:
        """A physically smaller model, not compiled."""
        return pruning.remove(bare(self.model), plan)

    # Training

    def train(
        self,
        folder: RunFolder,
        stage: str,
        until: int,
        rate: Callable[[int], float],
        data_seed: int,
        text: str,
        model: maskrcnn.MaskRCNN | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        sparsity: Callable[[int], float] = lambda step: 0.0,
        steps: int | None = None,
    ) -> None:
        """Train to an update; losses go to the run's history, checkpoints beside it.

        Args:
            folder: of the run.
            stage: that this leads to.
            until: the last update.
            rate: step -> learning rate.
            data_seed: of the pictures' order and augmentation.
            text: what to call it.
            model: the seed's own if None.
            callbacks: more of them.
            sparsity: step -> what is asked of the schedule there.
            steps: updates of the whole training that this is a part of, if it is.
        """
        training, model = self.recipe.training, model or self.model
        self.work.say(f"{text}: training")

        def report(logs: dict[str, float]) -> None:
            self.work.did("step", 1, f"{steps_done(model)}/{until}, loss {logs.get('loss', math.nan):.3f}")

        def batches(step: int):
            return stream(self.pictures.train, model.config, training.batch_size, data_seed, training.augment, step)

        history = History(folder, stage, training.checkpoint_every, until, sparsity, self.watch, self.log.losses)
        every = epoch_steps(steps or until, training.checkpoint_every)
        fit(model, batches, until, rate, report, self.watch, [*callbacks, history], every)

    def data_seed(self, one: RunSettings) -> int:
        """Of the order of the pictures: training and fine-tuning meet different ones, and so do repeats."""
        tuned = one.kind != "dense" and one.retraining != "scratch"
        return 2 * one.seed + tuned + _REPEAT * one.repeat
