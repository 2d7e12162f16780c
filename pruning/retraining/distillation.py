"""Distillation: the pruned model also learns what the dense one answers, task by task."""

import types
from collections.abc import Callable, Mapping
from typing import Any

import keras


class Distilled(keras.Model):
    """A model of several outputs that trains towards its targets and towards a teacher's answers.

    loss = the compiled one + weight * sum over tasks of the mean divergence between student and teacher. Probabilities
    are compared by T^2 KL(teacher^(1/T) || student^(1/T)), each renormalised (Hinton et al. 2015: for logits z that is
    softmax(z / T)); other outputs by their mean squared difference, divided by the variance of the teacher's.

    ```python
    distilled = pruning.Distilled(model, teacher)       # model: Functional, shares its weights
    distilled.compile(pruning.masked("adam"), loss=losses)
    distilled.fit(x, y, callbacks=[pruning.PruningCallback(...)])
    ```

    Args:
        network: Functional student, whose outputs are a dict {task: output}.
        teacher: a model with the same outputs, called in inference mode; it does not train.
        weight: of the distillation; or {task: weight}, tasks that are not named have none.
        temperature: T, of tasks that give probabilities.
        kinds: task -> "probabilities" or "values"; a task whose output's activation is softmax or sigmoid gives
            probabilities if it is not named.
        features: pairs of layer names of (network, teacher) whose outputs are compared too, as values.

    Raises:
        ValueError: outputs that are no dict or differ, a weight or kind of another task, or a temperature below 0.
    """

    def __init__(
        self,
        network: keras.Model,
        teacher: keras.Model,
        weight: float | Mapping[str, float] = 1.0,
        temperature: float = 2.0,
        kinds: Mapping[str, str] | None = None,
        features: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not isinstance(network.output, Mapping) or set(network.output) != set(teacher.output):
            raise ValueError(
                f"the outputs of {network.name!r} and of its teacher must be dicts of the same tasks: "
                f"keras.Model(inputs, {{'task': output}})"
            )
        tasks = list(network.output)
        self._weights_of = dict.fromkeys(tasks, float(weight)) if isinstance(weight, int | float) else dict(weight)
        self._kinds = {task: _kind(network, task) for task in tasks} | dict(kinds or {})
        unknown = [task for task in (*self._weights_of, *self._kinds) if task not in tasks]
        wrong = [kind for kind in self._kinds.values() if kind not in ("probabilities", "values")]
        if unknown or wrong or not temperature > 0:
            raise ValueError(
                f"weight, kinds or temperature do not fit: {unknown or wrong or temperature!r}; the tasks are "
                f"{', '.join(tasks)}, kinds are probabilities or values, the temperature is above 0"
            )
        self.network, self._temperature = network, temperature
        pairs = dict(features or {})
        ours = {name: network.get_layer(name).output for name in pairs}
        theirs = {name: teacher.get_layer(other).output for name, other in pairs.items()}
        # Out of Keras's sight: the teacher's weights are no weights of this model, and the student's are so once.
        self._beside = types.SimpleNamespace(
            teacher=keras.Model(teacher.input, {"tasks": teacher.output, "features": theirs}),
            features=keras.Model(network.input, ours) if pairs else None,
        )
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.network(inputs, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The compiled loss, and in training the distillation."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        known = keras.tree.map_structure(keras.ops.stop_gradient, self._beside.teacher(x, training=False))
        for task, weight in self._weights_of.items():
            divergence = self._softened if self._kinds[task] == "probabilities" else _difference
            loss = loss + weight * divergence(known["tasks"][task], y_pred[task])
        if self._beside.features is not None:
            for name, found in self._beside.features(x, training=training).items():
                loss = loss + _difference(known["features"][name], found)
        return loss

    def _softened(self, teacher: Any, student: Any) -> Any:
        power = 1.0 / self._temperature
        p, q = _softer(teacher, power), _softer(student, power)
        divergence = keras.ops.sum(p * (keras.ops.log(p) - keras.ops.log(q)), axis=-1)
        return self._temperature**2 * keras.ops.mean(divergence)


def _softer(probabilities: Any, power: float) -> Any:
    """p^power, renormalised over the last axis; one number alone stands for itself and its opposite."""
    p = keras.ops.clip(probabilities, 1e-7, 1.0 - 1e-7)
    if p.shape[-1] == 1:
        p = keras.ops.concatenate([p, 1.0 - p], axis=-1)
    p = p**power
    return p / keras.ops.sum(p, axis=-1, keepdims=True)


def _difference(teacher: Any, student: Any) -> Any:
    return keras.ops.mean(keras.ops.square(teacher - student)) / (keras.ops.var(teacher) + 1e-6)


def _kind(network: keras.Model, task: str) -> str:
    maker: Callable | None = getattr(network.output[task], "_keras_history", (None,))[0]
    activation = getattr(getattr(maker, "activation", None), "__name__", "")
    return "probabilities" if activation in ("softmax", "sigmoid") else "values"
