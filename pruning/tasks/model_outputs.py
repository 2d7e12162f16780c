"""Models with several outputs as tasks: what each output's loss is, from the model's own compilation."""

from collections.abc import Callable, Mapping
from typing import Any

import keras


def task_losses_of(model: keras.Model, losses: Mapping[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """Each task's own loss on a batch, in inference mode, from a model's outputs and a dictionary of losses.

    Args:
        model: Functional; each task is the name of an output.
        losses: task -> a Keras loss, its name, or a function of (targets, outputs).

    Returns:
        batch -> {task: differentiable scalar}, the mean over the batch; a batch is (inputs, {task: targets}).

    Raises:
        ValueError: the model has no output of a task's name.
    """
    check_losses(model, losses)
    names = output_names(model)
    found = {task: _scalar(keras.losses.get(loss)) for task, loss in losses.items()}

    def compute(batch: Any) -> dict[str, Any]:
        inputs, targets = batch[:2]
        answers = model(inputs, training=False)
        if not isinstance(answers, Mapping):
            answers = dict(zip(names, keras.tree.flatten(answers), strict=True))
        if not isinstance(targets, Mapping):
            targets = dict(zip(names, keras.tree.flatten(targets), strict=True))
        return {task: loss(targets[task], answers[task]) for task, loss in found.items()}

    return compute


def compiled_losses(model: keras.Model) -> tuple[dict[str, Any], dict[str, float] | None] | None:
    """The losses of each output, and their weights, that a Functional model was compiled with; None if it was not."""
    if not getattr(model, "compiled", False):
        return None
    given = model.get_compile_config() or {}
    found, weights = model.loss, given.get("loss_weights")
    if isinstance(found, list | tuple):
        found = dict(zip(output_names(model), found, strict=True))
    if isinstance(weights, list | tuple):
        weights = dict(zip(output_names(model), weights, strict=True))
    if weights is not None and isinstance(found, Mapping):  # those that are variables are written as tensors
        weights = {
            task: float(keras.ops.convert_to_numpy(keras.saving.deserialize_keras_object(weight)))
            for task, weight in weights.items()
        }
    return (dict(found), weights) if isinstance(found, Mapping) else None


def check_losses(model: keras.Model, losses: Mapping[str, Any]) -> None:
    """Refuse losses of tasks that no output of a model is named after.

    Raises:
        ValueError: names them.
    """
    names = output_names(model)
    missing = [task for task in losses if task not in names]
    if missing:
        raise ValueError(
            f"losses name the tasks {', '.join(missing)}, but the outputs of {model.name!r} are {', '.join(names)}: "
            "name each output as its task, as in keras.Model(inputs, {'task': output})"
        )


def output_names(model: keras.Model) -> list[str]:
    """The names of a model's outputs: the keys of a dictionary, else those of the layers that make them."""
    output = model.output
    return list(output) if isinstance(output, Mapping) else list(model.output_names)


def _scalar(loss: Any) -> Callable[[Any, Any], Any]:
    def mean(targets: Any, answers: Any) -> Any:
        targets = keras.ops.convert_to_tensor(targets)
        # Targets (N,) beside answers (N, 1) would be spread over one another to (N, N).
        if len(targets.shape) == len(answers.shape) - 1 and answers.shape[-1] == 1:
            targets = keras.ops.expand_dims(targets, -1)
        return keras.ops.mean(loss(targets, answers))

    return mean
