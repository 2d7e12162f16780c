"""What a sweep asks of a problem: its tasks, a model of a seed, batches, measures and floors.

A subclass of `Problem` is all that pruning sweeps, tables, verdicts, plots and reports need of a multi-task network.
docs/own_problem.md builds one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from experiments.declaration import Breakdown, Declaration, Figure, Task
from experiments.errors import UserError
from experiments.repeated_timing import first_and_usual
from experiments.sample_answers import Answers
from experiments.settings.recipe import FinetuneSettings, Settings

if TYPE_CHECKING:
    import keras
    import numpy as np

    from pruning import Distillation

Measured = Mapping[str, Mapping[str, float]]  # task -> measure -> value


class Problem:
    """A multi-task problem. A subclass sets `tasks` and defines `model`, `batches`, `evaluate` and `floors`.

    Attributes:
        tasks: what is measured, each on its own.
        losses: for a Functional model: task -> loss, each task being the name of an output; if not given, those that
            `model` compiled it with. A model that has `task_losses(batch)` and losses of its own needs none.
        loss_weights: for a Functional model: task -> weight of its loss in training; 1 if not given.
        sections: name -> Settings: sections that recipes of this problem have besides the common ones; the
            values are `self.recipe.<name>`.
        data_keys: section -> names of the settings that say which data a recipe is about: where a flag or another
            recipe changes one of them, what else the recipe says of its own data goes. The first one is kept.
        data_errors: what reading a sample raises where it is broken; the message is shown to the user as it is.
        figures, breakdowns, parts, loss_titles, columns: see `Declaration`; none is needed.
        recipe: the experiment's settings.
    """

    tasks: ClassVar[tuple[Task, ...]] = ()
    losses: ClassVar[Mapping[str, Any] | None] = None
    loss_weights: ClassVar[Mapping[str, float] | None] = None
    sections: ClassVar[Mapping[str, type[Settings]]] = {}
    data_keys: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    data_errors: ClassVar[tuple[type[Exception], ...]] = ()
    figures: ClassVar[tuple[Figure, ...]] = ()
    breakdowns: ClassVar[tuple[Breakdown, ...]] = ()
    parts: ClassVar[Mapping[str, str]] = {}
    loss_titles: ClassVar[Mapping[str, str]] = {}
    columns: ClassVar[Mapping[str, str]] = {}
    spec: ClassVar[str] = ""

    def __init__(self, recipe: Any = None) -> None:
        if recipe is None:
            from experiments.lookup import recipe_type

            recipe = recipe_type(type(self))()
        self.recipe = recipe
        self._losses, self._loss_weights = self.losses, self.loss_weights  # else those of the compiled model
        self.loss_variables: dict[str, Any] | None = None  # of the losses of the model compiled last; None: its own

    # What every problem defines

    def model(self, seed: int) -> keras.Model:
        """A new model, not compiled, whose weights follow from the seed alone: Functional, or one with `network`."""
        raise NotImplementedError

    def batches(self, split: str, seed: int, step: int = 0) -> Iterable:
        """Endless batches of a split, in an order that the seed gives, from update `step` on.

        Args:
            split: "train"; others where a problem has them.
            seed: of order and augmentation.
            step: how many batches an unbroken training has met before; those that follow must be the same ones.

        Returns:
            batches as `fit` takes them: (inputs, {task: targets}), or a dict; of recipe.training.batch_size samples.
        """
        raise NotImplementedError

    def evaluate(self, model: keras.Model, split: str) -> Measured:
        """Every measure of every task on a split: {task: {measure: value}}, NaN where there is nothing to measure."""
        raise NotImplementedError

    def evaluate_with_answers(self, model: keras.Model, split: str) -> tuple[Measured, Answers | None]:
        """`evaluate`, and what the model answered on each sample, for intervals, worst class, churn; None: not kept."""
        return self.evaluate(model, split), None

    def churn(self, dense: Answers, now: Answers) -> Mapping[str, Mapping[str, Any]]:
        """How many answers are others than the dense model's, whether or not a measure moves.

        Args:
            dense, now: of `evaluate_with_answers`, on the same split.

        Returns:
            {task: {what: share, or {class: share}}}, such as {"digit": {"changed": 0.1, "lost": 0.07, "gained": 0.03}}.
        """
        return {}

    def floors(self, split: str) -> Measured:
        """The same, of trivial predictors; a measure without one may be missing."""
        raise NotImplementedError

    # What most problems leave as it is

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that there are; "tune" is for whatever chooses, "test" for the figures of a table."""
        return ("train", "tune", "test")

    def check(self) -> Sequence[str]:
        """Look at the data before anything is written; called once, before the first run.

        Returns:
            lines to show, such as what was left out of the data.

        Raises:
            UserError: they cannot be used.
        """
        return ()

    def declaration(self) -> Declaration:
        """What the problem says of itself."""
        return Declaration(
            self.spec.rpartition("/")[2] or type(self).__name__, self.tasks, self.figures, self.breakdowns, self.parts,
            self.loss_titles, self.columns,
        )  # fmt: skip

    def input_shapes(self, model: keras.Model) -> dict[str, tuple[int, ...]]:
        """Shapes of the model's inputs for one sample, for counting MACs: input name -> (1, ...)."""
        shapes = {tensor.name: tuple(tensor.shape) for tensor in model.inputs}
        unknown = {name: shape for name, shape in shapes.items() if None in shape[1:]}
        if unknown:
            raise UserError(
                f"{type(self).__name__}: the inputs {unknown} have axes without a length; define input_shapes(model) "
                "to say which lengths MACs are counted for"
            )
        return {name: (1, *shape[1:]) for name, shape in shapes.items()}

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        """Compile a model for training with an optimizer that the sweep chose."""
        from experiments.problems.functional import check_outputs
        from pruning.tasks.model_outputs import compiled_losses

        self.loss_variables = None
        if self.losses is None:
            self._losses, self._loss_weights = compiled_losses(model) or (self._losses, self._loss_weights)
        if self._losses is None:
            model.compile(optimizer=optimizer)
        else:
            check_outputs(model, self._losses)
            import pruning

            weights = {task: (self._loss_weights or {}).get(task, 1.0) for task in self._losses}
            self.loss_variables = pruning.loss_weights(weights)
            model.compile(optimizer=optimizer, loss=dict(self._losses), loss_weights=self.loss_variables)

    def measuring_callback(
        self, measure: Callable[[keras.Model], Measured], every: int, report: Callable[[int, Measured], None]
    ) -> keras.callbacks.Callback:
        """A callback that measures a model while it trains.

        Args:
            measure: model -> {task: {measure: value}}.
            every: updates from one look to the next.
            report: called with the update and what was measured.
        """
        from experiments.runs.training.validation import EveryUpdates

        return EveryUpdates(measure, every, report)

    @property
    def output_losses(self) -> tuple[Mapping[str, Any], Mapping[str, float]] | None:
        """The loss of every output of a Functional model, and their weights in training, once a model was compiled.

        None where the model has losses of its own.
        """
        return None if self._losses is None else (self._losses, self._loss_weights or {})

    def task_losses(self, model: keras.Model) -> Callable[[Any], Mapping[str, Any]]:
        """batch -> {task: differentiable scalar}, for criteria that look at each task's loss."""
        if self._losses is not None:
            from experiments.problems.functional import task_losses

            return task_losses(model, self._losses)
        if hasattr(model, "task_losses"):
            return model.task_losses
        raise UserError(
            f"{type(self).__name__}: there is no loss for each task: set `losses` to {{task: loss}} for a Functional "
            "model whose outputs are named as the tasks, or give the model a method task_losses(batch)"
        )

    def distillation(self, model: keras.Model, teacher: keras.Model, settings: FinetuneSettings) -> Distillation:
        """What a pruned network is to answer as the dense one does, for `retraining: distill`.

        Args:
            model: that learns; masked, of the teacher's shapes.
            teacher: the dense one.
            settings: the recipe's, with the weights, temperature and layers.
        """
        from experiments.problems.functional_distillation import distillation

        return distillation(type(self).__name__, model, teacher, self._losses, self._loss_weights, settings)

    def calibration(self, count: int, seed: int) -> list:
        """Training batches of about `count` samples that criteria and recalibration look at, chosen by the seed."""
        size = self.recipe.training.batch_size
        batches = iter(self.batches("train", seed))
        return [next(batches) for _ in range(max(1, -(-count // size)))]

    def uncompiled(self, model: keras.Model) -> keras.Model:
        """The same network without an optimizer; the weights are shared."""
        from experiments.problems.functional import uncompiled

        return uncompiled(model)

    def at_input_size(self, model: keras.Model, size: int) -> keras.Model:
        """The same network, its weights shared, on samples of a smaller size (px); UserError where there is none."""
        raise UserError(f"smaller_inputs: {size}: the samples of {type(self).__name__} have one size; leave it out")

    def load(self, path: str | Path) -> keras.Model:
        """Read a saved model; UserError where there is none, or it cannot be read."""
        from experiments.problems.functional import load

        return load(path)

    def with_recipe(self, recipe: Any) -> Problem:
        """The same problem and data with another recipe, which differs in the section `model` alone.

        A problem that makes something of `recipe.model` in `__init__` has to make it anew.
        """
        found = copy.copy(self)
        found.recipe = recipe
        return found

    def examples(self, split: str) -> int:
        """How many samples an evaluation looks at, for the progress bar."""
        return 1

    def evaluate_in_detail(self, model: keras.Model, split: str) -> dict[str, Any]:
        """`evaluate` as "measures", and what more there is to tell of a model, for `taskprune evaluate`."""
        return {"measures": self.evaluate(model, split)}

    def watch(self, progress: Callable[[int, str], None]) -> None:
        """Take in what `evaluate` may call with numbers of samples that are done, and a text."""

    def timing(self, model: keras.Model) -> tuple[Any, int, Callable[[Any, Any], Any]]:
        """What latency is timed on: inputs, the number of samples in them, and call(model, inputs)."""
        import keras

        batch = next(iter(self.batches("train", 0)))
        inputs = batch[0] if isinstance(batch, tuple | list) else batch
        one = keras.tree.map_structure(lambda value: value[:1], inputs)
        return one, 1, lambda model, inputs: model.predict_on_batch(inputs)

    def time_evaluation(self, model: keras.Model, affordable: Callable[[float], int]) -> tuple[float, float]:
        """For an estimate of a sweep's time: what the first evaluation costs more, and what each sample costs.

        Args:
            model: of the problem.
            affordable: seconds of one evaluation -> how many more may be timed.

        Returns:
            seconds of compilation, seconds of a sample.
        """
        split = self.recipe.evaluation.split
        first, usual = first_and_usual(lambda: self.evaluate(model, split), affordable)
        return first - usual, usual / self.examples(split)

    def cost_columns(self, model: keras.Model) -> dict[str, Any]:
        """Columns of every row that say what its MACs count."""
        return {}

    def reference_shapes(self, model: keras.Model) -> dict[str, dict[str, tuple[int, ...]]]:
        """Further columns of effective MACs -> the input shapes that they are counted for."""
        return {}

    def show(
        self, models: Mapping[str, keras.Model], count: int, photographs: bool
    ) -> list[list[tuple[str, np.ndarray]]] | None:
        """Pictures of what models do, a row a sample: (title, RGB uint8) of the truth and of each model.

        Args:
            models: title -> model; count: of samples.
            photographs: whether pictures may be shown; else what is found, on plain grey.

        Returns:
            the rows, or None where there is nothing to show.
        """
        return None

    def inside(self, model: keras.Model) -> dict[str, np.ndarray]:
        """Figures of what goes on inside a model, title -> RGB uint8, for TensorBoard; none by default."""
        return {}
