"""The one model of a seed and what is done to it: restored, pruned, trained, taken apart.

One instance and one compiled training step serve all masked stages of all runs: weights and optimizer are restored
between runs, and masks are variables of the optimizer. Only what is physically smaller is compiled anew.
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

import pruning
from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.grid import RunSettings
from experiments.runs.kernel_histograms import before_and_after, bins, histograms
from experiments.runs.measuring import Costs, Measuring
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.run_log import RunLog
from experiments.runs.monitoring.selection_cost import SelectionCost
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.run_folder import RunFolder, write_text
from experiments.runs.training import choices
from experiments.runs.training.history import History, epoch_steps
from experiments.runs.training.loop import fit, steps_done
from experiments.runs.training.optimizers import optimizer
from experiments.runs.training.state import State, read_weights
from experiments.settings.recipe import TrainingSettings
from pruning.removal.norm_readings import norms_of

_REPEAT = 1_000_000  # between the data seeds of two repeats


class SeedModel:
    """A seed's model with its graph, costs and measures.

    Args:
        problem: with its recipe.
        seed: of weights, samplers and random scores.
        work: where progress is reported: kinds "step" and "picture".
        watch: counts the time.
        log: where training is followed live.

    Raises:
        UserError: the problem's model cannot be made.
    """

    def __init__(
        self, problem: Problem, seed: int, work: Meter, watch: Stopwatch, log: RunLog | None = None
    ) -> None:
        self.problem, self.recipe, self.seed = problem, problem.recipe, seed
        self.work, self.watch, self.log = work, watch, log or RunLog()
        work.say("building the network")
        keras.utils.clear_session(free_memory=False)  # the same layer names, whatever was built before
        keras.utils.set_random_seed(seed)
        self.model = self.compiled(problem.model(seed), self.recipe.training)
        self._graphs: dict[str, pruning.ChannelGraph] = {}
        self._norms: dict[int, pruning.NormStatistics] = {}
        self.selection = SelectionCost()
        self._new = State(self.model)
        self._dense: State | None = None

    def compiled(self, model: keras.Model, training: TrainingSettings) -> keras.Model:
        """The same model, compiled with an optimizer that can hold masks."""
        if not isinstance(model, keras.Model):
            kind = type(self.problem).__name__
            raise UserError(f"{kind}.model gave a {type(model).__name__}; expected a keras.Model")
        self.problem.compile(model, optimizer(training))
        model.optimizer.build(model.trainable_variables)
        return model

    @functools.cached_property
    def measuring(self) -> Measuring:
        """Measures models on the held-out split."""
        return Measuring(self.problem, self.work)

    @functools.cached_property
    def costs(self) -> Costs:
        """Costs of the seed's model."""
        return Costs(self.problem, self.model)

    @functools.cached_property
    def scorer(self) -> choices.Scorer:
        """Scores the channels of the seed's model; what that costs is charged."""
        return choices.Scorer(self.problem, self.model, self.seed, self.costs.shapes, self.selection.of)

    def graph(self, part: str) -> pruning.ChannelGraph:
        """What may be pruned: in "all" parts, or in one.

        Raises:
            UserError: nothing may.
        """
        if part not in self._graphs:
            self._graphs[part] = choices.prunable(self.problem, self.model, part)
        return self._graphs[part]

    # States

    def restore_new(self) -> None:
        """The weights that the seed gives."""
        self._new.restore()

    def take_dense(self, path: Path) -> None:
        """Read the dense model that all pruned ones start from."""
        self._new.restore()
        read_weights(self.problem, self.model, path)
        self._dense = State(self.model)
        self._norms.clear()
        self.selection.forget()
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

    def score(self, run: RunSettings, keep: bool = False) -> pruning.Scores:
        """Score the channels that a run may lose, from the weights as they are now.

        Args:
            run: the run's settings.
            keep: whether the weights are the dense ones, whose scores serve several runs.
        """
        assert run.criterion is not None, "a run that prunes has a criterion"
        key = (run.criterion, run.part) if keep else None
        return self.scorer.scores(run.criterion, run.arbiter, self.graph(run.part), run.pruning, key, run.normaliser)

    def plan(self, run: RunSettings) -> pruning.Plan:
        """The plan of a run that loses its channels at once, from the dense weights, which are in the model."""
        assert run.ratio is not None, "a run that prunes has a ratio"
        ratio, scores = run.ratio, self.score(run, keep=True)
        return self.selection.of(lambda: pruning.plan(self.graph(run.part), scores, ratio, **self._how(run)))

    def plan_now(self, run: RunSettings, ratio: float | None = None) -> pruning.Plan:
        """A plan from the weights as they are now, which keeps what is silent already; of the run's ratio if None."""
        graph, asked = self.graph(run.part), run.ratio if ratio is None else ratio
        assert asked is not None, "a run that prunes has a ratio"
        return pruning.plan(graph, self.score(run), asked, already=pruning.silent(graph), **self._how(run))

    def gradual(self, run: RunSettings, schedule: Any) -> pruning.PruningCallback:
        """Prunes little by little while the model trains."""

        def criterion(graph: pruning.ChannelGraph) -> pruning.Scores:
            with self.watch("prune"):
                return self.score(run)

        return pruning.PruningCallback(criterion, schedule, graph=self.graph(run.part), **self._how(run))

    def _how(self, run: RunSettings) -> dict[str, Any]:
        return choices.plan_arguments(run.scope, run.budget, run.pruning, self.costs.shapes)

    def hold(self, plan: pruning.Plan, part: str) -> None:
        """Silence a plan's channels and keep them so."""
        pruning.hold(self.model, plan, self.graph(part))

    def recalibrate(self, run: RunSettings) -> None:
        """Mend the batch norms on some training samples."""
        wanted = run.pruning
        batches = self.problem.calibration(wanted.recalibration_pictures, self.seed + 1)
        plain = wanted.recalibration == "plain"
        dense = None
        if not plain and any(norm.frozen for norm in norms_of(self.model)):
            dense = self._dense_norms(wanted.recalibration_pictures, batches)
        pruning.recalibrate(self.model, batches, dense, plain=plain)

    def _dense_norms(self, count: int, batches: list) -> pruning.NormStatistics:
        """What the dense model's batch norms read: it is the same model, with other weights for a moment."""
        if count not in self._norms:
            assert self._dense is not None, "take_dense comes first"
            now = State(self.model)
            self._dense.restore()
            self._norms[count] = pruning.norm_statistics(self.model, batches)
            now.restore()
        return self._norms[count]

    def removed(self, plan: pruning.Plan) -> keras.Model:
        """A physically smaller model, not compiled."""
        return pruning.remove(self.problem.uncompiled(self.model), plan)

    def write_histograms(self, folder: RunFolder, graph: pruning.ChannelGraph) -> None:
        """How the weights were spread before pruning, and are now."""
        write_text(folder.path / "histograms.json", before_and_after(self.histograms, graph, self.edges))

    # Training

    def train(
        self,
        folder: RunFolder,
        stage: str,
        until: int,
        rate: Callable[[int], float],
        data_seed: int,
        text: str,
        model: keras.Model | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        sparsity: Callable[[int], float] = lambda step: 0.0,
        steps: int | None = None,
    ) -> float | None:
        """Train to an update; losses go to the run's history, checkpoints beside it.

        Args:
            folder: of the run.
            stage: that this leads to.
            until: the last update.
            rate: step -> learning rate.
            data_seed: of the samples' order and augmentation.
            text: what to call it.
            model: the seed's own if None.
            callbacks: more of them.
            sparsity: step -> what is asked of the schedule there.
            steps: updates of the whole training that this is a part of, if it is.

        Returns:
            median seconds from one update to the next; None of fewer than three updates.

        Raises:
            UserError: it diverged, or a sample is broken; the checkpoint is that of the last good state.
        """
        training, model = self.recipe.training, model or self.model
        self.work.say(f"{text}: training")

        marks: list[float] = []

        def report(logs: dict[str, float]) -> None:
            marks.append(time.perf_counter())
            self.work.did("step", 1, f"{steps_done(model)}/{until}, loss {logs.get('loss', math.nan):.3f}")

        history = History(folder, stage, training.checkpoint_every, until, sparsity, self.watch, self.log.losses)
        every = epoch_steps(steps or until, training.checkpoint_every)
        try:
            fit(
                model, lambda step: self.problem.batches("train", data_seed, step), until, rate, report, self.watch,
                [*callbacks, history], every,
            )  # fmt: skip
        except self.problem.data_errors as error:
            raise UserError(
                f"{str(error).rstrip('.')}; mend it and start the same command again, which goes on from the last "
                "checkpoint"
            ) from None
        between = [after - before for before, after in itertools.pairwise(marks)]
        return statistics.median(between) if len(between) > 1 else None

    def data_seed(self, run: RunSettings) -> int:
        """Of the order of the samples: training and fine-tuning meet different ones, and so do repeats."""
        tuned = run.kind != "dense" and run.retraining != "scratch"
        return 2 * run.seed + tuned + _REPEAT * run.repeat
