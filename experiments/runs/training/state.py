"""The state of a model and its optimizer: kept in memory, written as a checkpoint, restored without a compilation."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.run_folder import written_whole
from experiments.runs.training.loop import steps_done


class State:
    """Values of a model's variables and its optimizer's, masks included.

    Args:
        model: compiled, its optimizer built.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._values = {key: np.array(variable) for key, variable in variables(model).items()}

    def check_finite(self) -> None:
        """Raises a UserError that names a value that is no number, if there is one."""
        for key, value in self._values.items():
            if value.dtype.kind not in "biu" and not np.isfinite(value).all():
                raise UserError(
                    f"{key} is no number after update {steps_done(self._model)}: the training diverged; lower the "
                    "learning rate or clip_norm, or warm up longer"
                )

    def restore(self) -> None:
        """Write the values back."""
        for key, variable in variables(self._model).items():
            variable.assign(self._values[key])

    def save(self, path: Path) -> None:
        """Write an .npz file that is there whole or not at all: an array for every variable's path."""
        with written_whole(path) as part:
            np.savez(part, **self._values)  # type: ignore[arg-type]


def restore_from(path: Path, model: keras.Model) -> None:
    """Give a model and its optimizer the state that `State.save` wrote.

    Raises:
        UserError: the file cannot be read, or is of another model; names what is missing or has another shape.
    """
    try:
        with np.load(path) as stored:
            values = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it to train anew") from None
    wanted = variables(model)
    wrong = [key for key in wanted if key not in values or values[key].shape != tuple(wanted[key].shape)]
    wrong += [key for key in values if key not in wanted]
    if wrong:
        raise UserError(
            f"{path} holds the state of another model: {len(wrong)} variables differ, the first is {wrong[0]}; delete "
            "it to train anew"
        )
    for key, variable in wanted.items():
        variable.assign(values[key])


def variables(model: keras.Model) -> dict[str, Any]:
    """Every variable of a model and its optimizer by its path; a path that comes again has a number behind it."""
    found: dict[str, Any] = {}
    for variable in (*model.weights, *model.optimizer.variables):
        path, number = variable.path, 2
        while path in found:
            path, number = f"{variable.path}#{number}", number + 1
        found[path] = variable
    return found


def read_weights(problem: Problem, model: keras.Model, path: Path) -> None:
    """Give a model the weights of a saved one of the same structure.

    Raises:
        UserError: the file cannot be read, or holds another model.
    """
    try:
        problem.uncompiled(model).load_weights(path)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read as this recipe's model: {str(error).splitlines()[0]}") from None


def draw_new_weights(model: keras.Model, seed: int) -> None:
    """Give a model the weights that its layers begin with, drawn from a seed."""
    keras.utils.set_random_seed(seed)
    network = getattr(model, "network", model)
    network.set_weights(type(network).from_config(network.get_config()).get_weights())


def save_model(problem: Problem, model: keras.Model, path: Path) -> None:
    """Save a network, without optimizer, as a .keras file that is there whole or not at all."""
    with written_whole(path) as part:
        problem.uncompiled(model).save(part)
