"""How each task of a model is measured: its loss, its measures, and how good they are beside the dense model's."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from pruning.scores.backend_gradients import compiled
from pruning.scores.gradients import batch_size
from pruning.tasks.model_outputs import compiled_losses, task_losses_of

Measured = dict[str, dict[str, float]]  # task -> measure -> value

# Measures of Keras that improve as they fall; others are named by `lower_is_better`.
_LOWER = ("loss", "error", "mae", "mse", "mape", "msle", "rmse", "crossentropy", "nll", "ece", "kl_divergence")


@dataclass(eq=False)
class TaskMeasures:
    """Measures every task of a model, on its own.

    ```python
    tasks = pruning.TaskMeasures(evaluate, model.task_losses, batches, floors={"mask": {"iou": 0.54}, ...})
    tasks = pruning.TaskMeasures.of_outputs(model, x, y)    # a compiled model with several outputs
    tasks(model)        # {"mask": {"iou": 0.76, "loss": 0.31}, ...}
    ```

    Args:
        evaluate: model -> {task: {measure: value}}, on held-out data; None: only losses are measured.
        task_losses: batch -> {task: scalar}, of the model itself and in inference mode, as for `pruning.Taylor`.
        batches: what losses are asked on, a list; their mean counts every sample once.
        primary: task -> the measure that stands for it; the first that `evaluate` gives if None, else its loss.
        lower_is_better: measures ("rmse") or tasks' measures ("slant_rmse") that improve as they fall; losses and
            errors, by their Keras names, are known.
        floors: {task: {measure: value}} of trivial predictors; quality is then counted from them.
        higher_is_better: measures that improve as they rise although their name ends like a loss or an error.

    Raises:
        ValueError: nothing to measure, or losses without batches.
    """

    evaluate: Callable[[Any], Mapping[str, Mapping[str, float]]] | None = None
    task_losses: Callable[[Any], Any] | None = None
    batches: Sequence = field(default=(), repr=False)
    primary: Mapping[str, str] | None = None
    lower_is_better: Iterable[str] = ()
    floors: Mapping[str, Mapping[str, float]] | None = None
    higher_is_better: Iterable[str] = ()

    def __post_init__(self) -> None:
        self.batches = list(self.batches)
        if self.evaluate is None and self.task_losses is None:
            raise ValueError("TaskMeasures: nothing to measure; give evaluate, or task_losses and batches, or both")
        if self.task_losses is not None and not self.batches:
            raise ValueError("TaskMeasures: task_losses need batches; give a list of them")
        self._lower, self._higher = _names(self.lower_is_better), _names(self.higher_is_better)
        self._run: Callable | None = None

    @classmethod
    def of_outputs(
        cls, model: keras.Model, x: Any, y: Any, batch_size: int = 256, **options: Any
    ) -> "TaskMeasures":
        """Measures of a compiled model with several outputs: each output is a task, with its own loss and metrics.

        Args:
            model: Functional, compiled with a loss for each output, and metrics if wanted.
            x: held-out inputs, a nest of arrays; y: {task: targets}, or a list in the order of the outputs.
            batch_size: of the passes.
            options: primary, lower_is_better, higher_is_better, floors.

        Raises:
            ValueError: the model is not compiled with a loss for each output.
        """
        found = compiled_losses(model)
        if found is None:
            raise ValueError(
                f"model {getattr(model, 'name', model)!r} is not compiled with a loss for each output: "
                "model.compile(optimizer, loss={task: loss}, metrics={task: [metric]})"
            )
        losses, count = found[0], len(keras.tree.flatten(x)[0])
        batches = [
            keras.tree.map_structure(lambda array, at=at: array[at : at + batch_size], (x, y))
            for at in range(0, count, batch_size)
        ]

        def evaluate(model: keras.Model) -> Measured:
            return _compiled_metrics(model, x, y, batch_size, list(losses))

        return cls(evaluate, task_losses_of(model, losses), batches, **options)

    def __call__(self, model: Any) -> Measured:
        """Every measure of every task now: {task: {measure: value}}, "loss" being the mean of `task_losses`."""
        found: Measured = {}
        if self.evaluate is not None:
            given = self.evaluate(model)
            if not isinstance(given, Mapping) or not all(isinstance(values, Mapping) for values in given.values()):
                raise ValueError(f"evaluate gave {type(given).__name__}; expected {{task: {{measure: value}}}}")
            found = {
                task: {name: math.nan if value is None else float(value) for name, value in values.items()}
                for task, values in given.items()
            }
        for task, loss in self.losses().items():
            found.setdefault(task, {})["loss"] = loss
        return found

    def losses(self) -> dict[str, float]:
        """{task: mean loss} over the batches; {} where there are no task losses."""
        if self.task_losses is None:
            return {}
        if self._run is None:
            self._run = compiled(self.task_losses)
        sizes = np.array([batch_size(batch) for batch in self.batches], dtype=float)
        rows = [self._run(batch)[0] for batch in self.batches]
        return {
            task: float(np.average([float(keras.ops.convert_to_numpy(row[task])) for row in rows], weights=sizes))
            for task in rows[0]
        }

    def primary_of(self, task: str, measured: Mapping[str, Mapping[str, float]]) -> str:
        """The measure that stands for a task.

        Raises:
            ValueError: it was not measured.
        """
        name = (self.primary or {}).get(task) or next(iter(measured[task]))
        if name not in measured[task]:
            raise ValueError(f"task {task!r} has no measure {name!r}; it has {', '.join(measured[task])}")
        return name

    def falls(self, task: str, measure: str) -> bool:
        """Whether a measure improves as it falls."""
        known = {measure, f"{task}_{measure}"}
        return not known & self._higher and bool(known & self._lower or measure.lower().endswith(_LOWER))

    def quality(self, task: str, measure: str, value: float, dense: float) -> float:
        """How good a measure is: 1 as the dense model, 0 as the trivial predictor.

        (value - floor) / (dense - floor) where the floor is known; else the share of the dense model's value that is
        kept, or for what improves as it falls, dense / value.

        Returns:
            NaN where the dense model is no better than the floor, or a figure is missing.
        """
        floor, value, dense = (self.floors or {}).get(task, {}).get(measure), float(value), float(dense)
        falls = self.falls(task, measure)
        if floor is not None:
            floor = float(floor)
            gain = floor - dense if falls else dense - floor
            return (value - floor) / (dense - floor) if gain > 1e-12 else math.nan
        above, below = (dense, value) if falls else (value, dense)
        return above / below if below > 0 else math.nan

    def qualities(self, measured: Mapping, dense: Mapping) -> dict[str, float]:
        """{task: quality of its primary measure} beside the dense model's measures."""
        found = {}
        for task in dense:
            name = self.primary_of(task, dense)
            found[task] = self.quality(task, name, measured.get(task, {}).get(name, math.nan), dense[task][name])
        return found


def worst_of(qualities: Mapping[str, float]) -> str | None:
    """The task of the lowest quality; None where none is below the dense model's, or known."""
    known = {task: value for task, value in qualities.items() if value < 1}
    return min(known, key=lambda task: known[task]) if known else None


def same_measures(one: Mapping[str, Mapping], other: Mapping[str, Mapping], relative: float = 1e-3) -> bool:
    """Whether two measurements of the same tasks agree to rounding: what tells one model from another."""
    if {task: set(values) for task, values in one.items()} != {task: set(values) for task, values in other.items()}:
        return False
    pairs = [(value, other[task][name]) for task, values in one.items() for name, value in values.items()]
    return all(math.isclose(a, b, rel_tol=relative, abs_tol=1e-6) or (a != a and b != b) for a, b in pairs)


def _names(given: Iterable[str]) -> set[str]:
    return {given} if isinstance(given, str) else set(given)


def _compiled_metrics(model: keras.Model, x: Any, y: Any, size: int, tasks: list[str]) -> Measured:
    """The compiled metrics of each output; those of a training that goes on are left as they are."""
    if not getattr(model, "compiled", False):
        raise ValueError(f"model {model.name!r} is not compiled, so that it has no metrics: compile it")
    held = [(variable, keras.ops.convert_to_numpy(variable).copy()) for variable in model.metrics_variables]
    logs = model.evaluate(x, y, batch_size=size, verbose=0, return_dict=True)
    for variable, value in held:
        variable.assign(value)
    found: Measured = {task: {} for task in tasks}
    for name, value in logs.items():
        owners = [task for task in tasks if name.startswith(f"{task}_")]
        if owners:
            task = max(owners, key=len)
            if name != f"{task}_loss":
                found[task][name.removeprefix(f"{task}_")] = float(value)
    return found
