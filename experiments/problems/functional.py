"""Functional models with several outputs as problems: their task losses, copies and files; batches from arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from experiments.errors import UserError


def task_losses(model: keras.Model, losses: Mapping[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """Each task's own loss on a batch, in inference mode, from a model's outputs and a dictionary of losses.

    Args:
        model: Functional; each task is the name of an output.
        losses: task -> a Keras loss, its name, or a function of (targets, outputs).

    Returns:
        batch -> {task: differentiable scalar}, the mean over the batch; a batch is (inputs, {task: targets}).

    Raises:
        UserError: the model has no output of a task's name.
    """
    check_outputs(model, losses)
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
    return (dict(found), weights) if isinstance(found, Mapping) else None


def check_outputs(model: keras.Model, losses: Mapping[str, Any]) -> None:
    """Refuse losses of tasks that no output of a model is named after.

    Raises:
        UserError: names them.
    """
    names = output_names(model)
    missing = [task for task in losses if task not in names]
    if missing:
        raise UserError(
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


def uncompiled(model: keras.Model) -> keras.Model:
    """The same network without an optimizer; the weights are shared."""
    if isinstance(model, keras.Sequential):
        return keras.Sequential(model.layers, name=model.name)
    if type(model) is keras.Model or type(model).__name__ == "Functional":
        return keras.Model(model.input, model.output, name=model.name)
    if hasattr(model, "network") and hasattr(model, "config"):
        return type(model)(model.config, network=model.network, name=model.name)
    raise UserError(
        f"{model.name!r} is a {type(model).__name__}, which cannot be copied without its optimizer: give a Functional "
        "or Sequential model, a class that is called as (config, network=..., name=...), or define uncompiled(model)"
    )


def load(path: str | Path, read: Callable[[Path], Any] | None = None) -> Any:
    """Read a saved model.

    Args:
        path: of the .keras file.
        read: how; as Keras does, without its optimizer, if None.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    if not Path(path).exists():
        raise UserError(
            f"{path}: no such model; `taskprune train` and `sweep` write results/<name>/runs/<run>/model.keras"
        )
    try:
        return keras.models.load_model(path, compile=False) if read is None else read(Path(path))
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read as a model: {str(error).splitlines()[0]}") from None


def array_batches(inputs: Any, targets: Any, batch_size: int, seed: int, step: int = 0) -> Iterator[tuple[Any, Any]]:
    """Endless batches of arrays in memory: every pass in another order, which the seed and its number give.

    Args:
        inputs, targets: nests of arrays with a common first axis.
        batch_size: samples of a batch; what does not fill the last batch of a pass is left out of it.
        seed: of the order.
        step: the first batch is the one that an unbroken stream would give as its number `step`.

    Yields:
        (inputs, targets) of a batch.

    Raises:
        UserError: the arrays have different lengths, or fewer samples than a batch.
    """
    lengths = {len(array) for array in keras.tree.flatten((inputs, targets))}
    if len(lengths) != 1 or min(lengths) < batch_size:
        raise UserError(
            f"arrays of {', '.join(map(str, sorted(lengths)))} samples: expected the same number in all, and at least "
            f"training.batch_size = {batch_size}"
        )
    count = lengths.pop()
    per_pass = count // batch_size
    while True:
        number, first = divmod(step, per_pass)
        order = np.random.default_rng([seed, number]).permutation(count)
        for place in range(first, per_pass):
            chosen = order[place * batch_size : (place + 1) * batch_size]
            yield keras.tree.map_structure(lambda array, chosen=chosen: array[chosen], (inputs, targets))
        step += per_pass - first
