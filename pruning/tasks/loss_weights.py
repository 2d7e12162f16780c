"""Loss weights that change while a model trains, without a new trace of its compiled step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras


def loss_weights(weights: Mapping[str, float] | None = None, **more: float) -> dict[str, keras.Variable]:
    """Loss weights as variables, for `model.compile(loss_weights=...)` of a model with several outputs.

    Args:
        weights: task (output) -> weight; also as keywords.

    Returns:
        {task: float32 variable}: give them to `compile`, and to `PhasedLosses` or `AdaptiveLosses`. A model that is
        saved keeps their values, as constants.
    """
    return {
        task: keras.Variable(float(value), trainable=False, dtype="float32", name=f"weight_of_{task}")
        for task, value in {**(weights or {}), **more}.items()
    }


class _TaskWeights(keras.callbacks.Callback):
    """Multiplies the weights that task losses have by factors.

    Args:
        weights: {loss: variable}, as `pruning.loss_weights` makes them; None: the model's own `loss_weights`, as a
            MaskRCNN has them.
        base: {loss: weight} that factors multiply. None: what the variables are when training begins; they are that
            again when it ends.
    """

    def __init__(self, weights: Mapping[str, Any] | None, base: Mapping[str, float] | None) -> None:
        super().__init__()
        self._given, self._given_base = weights, base
        self.factors: dict[str, float] = {}

    def _begin(self, tasks: Sequence[str] | None = None) -> None:
        """Find the variables, and which task they are of.

        Raises:
            ValueError: there are no variables, or none of a task.
            NotImplementedError: on JAX, whose compiled step does not see a variable change.
        """
        if keras.backend.backend() == "jax":
            raise NotImplementedError(
                "loss weights that change in training need Keras on TensorFlow or PyTorch: a step that JAX compiled "
                "keeps the weights of its first call"
            )
        weights = self._given if self._given is not None else getattr(self.model, "loss_weights", None)
        if not isinstance(weights, Mapping) or not all(hasattr(value, "assign") for value in weights.values()):
            raise ValueError(
                f"model {self.model.name!r} has no loss weights that can change: w = pruning.loss_weights(task=1.0, "
                f"...), model.compile(..., loss_weights=w), and {type(self).__name__}(..., weights=w)"
            )
        if self._given is not None and not _compiled_with(self.model, weights):
            raise ValueError(
                f"model {self.model.name!r} was compiled with other loss weights than {type(self).__name__} has: give "
                "compile(loss_weights=...) what pruning.loss_weights made"
            )
        families = getattr(self.model, "TASK_LOSSES", None) or {}
        self._losses = {
            task: tuple(name for name in families.get(task, (task,)) if name in weights)
            for task in (tasks if tasks is not None else families or weights)
        }
        missing = [task for task, names in self._losses.items() if not names]
        if missing:
            raise ValueError(
                f"{type(self).__name__}: there is no loss of task {missing[0]!r}; there are "
                f"{', '.join(dict.fromkeys((*families, *weights)))}"
            )
        self._variables = weights
        base = self._given_base or {}
        self._base = {
            name: float(base.get(name, keras.ops.convert_to_numpy(variable))) for name, variable in weights.items()
        }
        self.factors = {}

    def _weigh(self, factors: Mapping[str, float]) -> None:
        if factors == self.factors:
            return
        for task, factor in factors.items():
            for name in self._losses[task]:
                self._variables[name].assign(self._base[name] * factor)
        self.factors = dict(factors)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Put the weights back."""
        for name, value in self._base.items():
            self._variables[name].assign(value)


def _compiled_with(model: Any, weights: Mapping[str, Any]) -> bool:
    """Whether these variables are the loss weights that a model was compiled with: themselves, as no config tells."""
    config = getattr(model, "_compile_config", None)
    live = keras.tree.flatten(config.config.get("loss_weights") or {}) if config is not None else []
    return {id(variable) for variable in weights.values()} <= {id(weight) for weight in live}


class PhasedLosses(_TaskWeights):
    """Weighs the task losses by phases while a model trains.

    ```python
    weights = pruning.loss_weights(digit=1.0, slant=0.02)
    model.compile(pruning.masked("adam"), loss=losses, loss_weights=weights)
    model.fit(x, y, callbacks=[pruning.PhasedLosses(schedules.LossPhases.in_turn(("digit", "slant"), 100), weights)])
    ```

    Args:
        phases: step or epoch -> {task: factor}, with `unit` and `tasks`: a `schedules.LossPhases`. Steps are
            `optimizer.iterations`.
        weights: {task: variable} that the model was compiled with; None: the model's own `loss_weights`, by the tasks
            of its `TASK_LOSSES` or by its losses' names (MaskRCNN).
        base: {loss: weight} that factors multiply; None: what the variables are when training begins. Give it where
            training is resumed from a file that was written between two phases.

    Attributes:
        factors: {task: factor} in force.
    """

    def __init__(
        self,
        phases: Callable[[int], Mapping[str, float]],
        weights: Mapping[str, Any] | None = None,
        base: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(weights, base)
        self.phases = phases

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._begin(self.phases.tasks)  # type: ignore[attr-defined]
        self._by_epoch = self.phases.unit == "epoch"  # type: ignore[attr-defined]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if self._by_epoch:
            self._weigh(self.phases(epoch))

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if not self._by_epoch:
            self._weigh(self.phases(int(self.model.optimizer.iterations)))


class AdaptiveLosses(_TaskWeights):
    """Weighs the task losses anew after every epoch, by how much each still moves.

    Args:
        rule: [{task: mean loss of an epoch}, ...] -> {task: factor}: a `schedules.AdaptiveWeights`.
        weights, base: as for `PhasedLosses`.

    Attributes:
        factors: {task: factor} in force; epochs: the mean losses of every epoch so far.
    """

    def __init__(
        self,
        rule: Callable[[Sequence[Mapping[str, float]]], Mapping[str, float]],
        weights: Mapping[str, Any] | None = None,
        base: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(weights, base)
        self.rule = rule
        self.epochs: list[dict[str, float]] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._begin()
        if self.epochs:
            self._weigh(self.rule(self.epochs))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.epochs.append({task: self._mean(names, logs or {}) for task, names in self._losses.items()})
        self._weigh(self.rule(self.epochs))

    def _mean(self, names: Sequence[str], logs: Mapping[str, Any]) -> float:
        """A task's loss in the epoch's logs, where losses stand without their weights."""
        total = 0.0
        for name in names:
            column = name if name in logs else f"{name}_loss"
            if column not in logs:
                raise ValueError(
                    f"AdaptiveLosses: the epoch's logs have no loss of {name!r}; they have {', '.join(logs) or 'none'}"
                )
            total += self._base[name] * float(logs[column])
        return total
