"""The one model of a seed that a study trains, prunes and measures again and again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras

import pruning
from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.training import choices
from experiments.runs.training.loop import fit, steps_done
from experiments.runs.training.optimizers import finetuning_rates, optimizer, rates
from experiments.runs.training.state import State, read_weights, restore_from
from experiments.sample_answers import Answers
from experiments.studies.measured_problem import problem_measures
from pruning.removal.norm_readings import norms_of
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
        self.graph = choices.prunable(problem, self.model)
        self.shapes = problem.input_shapes(self.model)
        self._scorer = choices.Scorer(problem, self.model, seed, self.shapes)
        self._split = split
        self._new = State(self.model)
        self._rested: State | None = None

    @functools.cached_property
    def tasks(self) -> pruning.TaskMeasures:
        """How tasks are measured on the split that choices are made on."""
        return problem_measures(self.problem, self.model, self._split, seed=self.seed)

    @functools.cached_property
    def tests(self) -> pruning.TaskMeasures:
        """The same on the test split."""
        return problem_measures(self.problem, self.model, "test", seed=self.seed)

    def answers(self, split: str) -> tuple[Mapping[str, Mapping[str, float]], Answers | None]:
        """Every task's measures on a split, and the model's answers to its samples, which a bootstrap draws from."""
        return self.problem.evaluate_with_answers(self.model, split)

    @property
    def losses(self) -> dict[str, keras.Variable] | None:
        """The variables that weigh the task losses; None: the model's own."""
        return self.problem.loss_variables

    def train(
        self, path: Path, steps: int, text: str, callbacks: Sequence[keras.callbacks.Callback] = (), every: int = 0,
        dense: bool = False,
    ) -> None:  # fmt: skip
        """Train from the seed's weights, as the recipe says; or read what an earlier training came to.

        Args:
            path: .npz file that the trained state is kept in.
            steps: updates.
            text: what to call it.
            callbacks: of the training.
            every: updates in what they see as an epoch; all if 0.
            dense: whether it is the recipe's own dense training, whose model may be one of `dense_from`.
        """
        self.rest()
        known = self._dense_of_a_sweep() if dense else None
        if path.exists() or known is not None:
            restore_from(path, self.model) if known is None else read_weights(self.problem, self.model, known)
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

    def finetune(
        self, model: keras.Model | None = None, text: str = "fine-tuning", steps: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (), every: int = 0,
    ) -> None:  # fmt: skip
        """The recipe's fine-tuning, of the model as it is now.

        Args:
            model: the study's own, where another asks for it.
            text: what to call it.
            steps: updates; the recipe's if None.
            callbacks, every: as for `train`.
        """
        wanted, first = self.recipe.finetune, steps_done(self.model)
        count = wanted.steps if steps is None else steps
        rate = finetuning_rates(wanted.model_copy(update={"steps": count}), self.recipe.training, "finetune")
        self._fit(2 * self.seed + 1, first, first + count, lambda step: rate(step - first), text, callbacks, every)

    def rest(self) -> None:
        """The trained model, nothing pruned, its optimizer fresh in its counts."""
        silence(self.graph, {})
        if self._rested is not None:
            self._rested.restore()

    def part(self, name: str) -> pruning.ChannelGraph:
        """What may be pruned: in "all" of the network, or in one of its parts, as `grid.part` names it.

        Raises:
            UserError: nothing may.
        """
        return self.graph if name == "all" else choices.prunable(self.problem, self.model, name)

    def scores(self, graph: pruning.ChannelGraph | None = None) -> pruning.Scores:
        """Which channels go first, by the recipe's first criterion and arbiter, from the weights as they are now.

        Args:
            graph: of a part; all of the network if None.

        Raises:
            UserError: the criterion cannot score this network.
        """
        grid = self.recipe.grid
        return self._scorer.scores(
            grid.criterion[0], grid.arbiter[0], graph or self.graph, self.recipe.pruning, normaliser=grid.normaliser[0]
        )

    def scores_by_task(self) -> Mapping[str, pruning.Scores]:
        """Scores of each task, by the recipe's first criterion if it looks at losses, else by Taylor's."""
        name = self.recipe.grid.criterion[0]
        return self._scorer.by_task(
            name if name in choices.FROM_DATA else "taylor", self.graph, self.recipe.pruning
        )

    def plan(
        self, scores: pruning.Scores, ratio: float, graph: pruning.ChannelGraph | None = None, measure: str = "macs"
    ) -> pruning.Plan:
        """The same share of every group's filters, for a share of the MACs, or of another measure.

        Args:
            scores: of the graph.
            ratio: share of the measure.
            graph: of a part; all of the network if None.
            measure: "macs", "params" or "filters".
        """
        how = choices.plan_arguments("layer", measure, self.recipe.pruning, self.shapes)
        return pruning.plan(graph or self.graph, scores, ratio, **how)

    def recalibrate(self) -> None:
        """Mend the batch norms of the model as it is now on the recipe's `recalibration_pictures`, as a sweep does."""
        wanted = self.recipe.pruning
        batches = self.problem.calibration(wanted.recalibration_pictures, self.seed + 1)
        plain, dense = wanted.recalibration == "plain", None
        if not plain and any(norm.frozen for norm in norms_of(self.model)):
            now = State(self.model)
            self.rest()
            dense = pruning.norm_statistics(self.model, batches)
            now.restore()
        pruning.recalibrate(self.model, batches, dense, plain=plain)

    def saved(self, plan: pruning.Plan) -> float:
        """Share of the MACs that a plan saves."""
        cost = pruning.cost(self.model, self.shapes, plan)
        assert cost.effective is not None
        return 1 - cost.effective.macs / cost.macs

    def _dense_of_a_sweep(self) -> Path | None:
        """The dense model of this seed in the folder that the recipe names as `dense_from`.

        Raises:
            UserError: the folder has none.
        """
        if self.recipe.dense_from is None:
            return None
        found = sorted(Path(self.recipe.dense_from).glob(f"runs/dense-s{self.seed}-*/model.keras"))
        if not found:
            raise UserError(f"dense_from: {self.recipe.dense_from} has no runs/dense-s{self.seed}-*/model.keras")
        return found[0]

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
