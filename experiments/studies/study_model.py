"""The one model of a seed that a study trains, prunes and measures again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

import pruning
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.training.loop import fit, steps_done
from experiments.runs.training.optimizers import finetuning_rates, optimizer, rates
from experiments.runs.training.state import State, restore_from
from experiments.studies.measured_problem import problem_measures
from pruning.tasks.snapshot import silence


class StudyModel:
    """A seed's model, compiled once; states are restored between what is tried.

    Args:
        problem: with its recipe.
        seed: of weights and of the samples' order.
        work: where progress is reported, in "step"s.
        split: that choices are made on.
    """

    def __init__(self, problem: Problem, seed: int, work: Meter, split: str = "tune") -> None:
        self.problem, self.recipe, self.seed, self.work = problem, problem.recipe, seed, work
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        self.model = problem.model(seed)
        problem.compile(self.model, optimizer(self.recipe.training))
        self.model.optimizer.build(self.model.trainable_variables)
        self.graph = pruning.ChannelGraph(self.model)
        self.shapes = problem.input_shapes(self.model)
        self.tasks = problem_measures(problem, self.model, split, seed=seed)
        self.tests = problem_measures(problem, self.model, "test", seed=seed)
        self._new = State(self.model)
        self._rested: State | None = None

    @property
    def losses(self) -> dict[str, keras.Variable] | None:
        """The variables that weigh the task losses; None: the model's own."""
        return self.problem.loss_variables

    def train(
        self, path: Path, steps: int, text: str, callbacks: Sequence[keras.callbacks.Callback] = (), every: int = 0
    ) -> None:
        """Train from the seed's weights, as the recipe says; or read what an earlier training came to.

        Args:
            path: .npz file that the trained state is kept in.
            steps: updates.
            text: what to call it.
            callbacks: of the training.
            every: updates in what they see as an epoch; all if 0.
        """
        self.rest()
        if path.exists():
            restore_from(path, self.model)
            self.work.skip("step", steps)
        else:
            self._new.restore()
            training = self.recipe.training
            rate = rates(training.learning_rate, steps, training.warmup_steps, training.final_rate)
            self._fit(2 * self.seed, 0, steps, rate, text, callbacks, every)
            path.parent.mkdir(parents=True, exist_ok=True)
            State(self.model).save(path)
        self.model.optimizer.iterations.assign(0)
        self._rested = State(self.model)

    def finetune(self, model: keras.Model | None = None, text: str = "fine-tuning", steps: int | None = None) -> None:
        """The recipe's fine-tuning, of the model as it is now."""
        wanted, first = self.recipe.finetune, steps_done(self.model)
        count = wanted.steps if steps is None else steps
        rate = finetuning_rates(wanted.model_copy(update={"steps": count}), self.recipe.training, "finetune")
        self._fit(2 * self.seed + 1, first, first + count, lambda step: rate(step - first), text)

    def rest(self) -> None:
        """The trained model, nothing pruned, its optimizer fresh in its counts."""
        silence(self.graph, {})
        if self._rested is not None:
            self._rested.restore()

    def plan(self, scores: pruning.Scores, ratio: float) -> pruning.Plan:
        """The same share of every group's filters, for a share of the MACs."""
        return pruning.plan(self.graph, scores, ratio, measure="macs", input_shapes=self.shapes)

    def saved(self, plan: pruning.Plan) -> float:
        """Share of the MACs that a plan saves."""
        cost = pruning.cost(self.model, self.shapes, plan)
        assert cost.effective is not None
        return 1 - cost.effective.macs / cost.macs

    def _fit(
        self, seed: int, first: int, last: int, rate: Callable[[int], float], text: str,
        callbacks: Sequence[keras.callbacks.Callback] = (), every: int = 0,
    ) -> None:  # fmt: skip
        self.work.say(f"seed {self.seed}: {text}")

        def report(logs: dict[str, float]) -> None:
            self.work.did("step", 1, f"{steps_done(self.model) - first}/{last - first}")

        fit(
            self.model, lambda step: self.problem.batches("train", seed, step - first), last, rate, report, Stopwatch(),
            callbacks, every or None,
        )  # fmt: skip
