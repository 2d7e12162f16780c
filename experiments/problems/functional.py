"""Functional models with several outputs as problems: their task losses, copies and files; batches from arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from experiments.errors import UserError
from pruning.tasks.model_outputs import check_losses, task_losses_of


def task_losses(model: keras.Model, losses: Mapping[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """`pruning.tasks.model_outputs.task_losses_of`; raises a UserError where an output is missing."""
    check_outputs(model, losses)
    return task_losses_of(model, losses)


def check_outputs(model: keras.Model, losses: Mapping[str, Any]) -> None:
    """Refuse losses of tasks that no output of a model is named after.

    Raises:
        UserError: names them.
    """
    try:
        check_losses(model, losses)
    except ValueError as error:
        raise UserError(str(error)) from None


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
