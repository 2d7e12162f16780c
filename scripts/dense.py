"""The dense model of a recipe: trained once, checkpointed on the way, shared by train.py and sweep.py."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import keras
import pandas as pd

import building
import maskrcnn
from command import UserError
from progress import Work
from settings import Recipe
from store import write_text
from training import fit, save_whole, steps_done, stream


def identity(recipe: Recipe, *more: str) -> dict[str, Any]:
    """What a dense model depends on (and `more` fields of the recipe), defaults left out, in JSON's types."""
    return recipe.model_dump(
        mode="json", include={"seed", "data", "model", "training", *more}, exclude_defaults=True
    )


def check_same(before: dict[str, Any] | None, now: dict[str, Any], folder: Path) -> None:
    """Refuse a folder whose dense model was made by other settings.

    Raises:
        UserError: names the settings that differ.
    """
    if before is None or before == now:
        return
    old, new = dict(_flat(before)), dict(_flat(now))
    changed = [
        f"{key}: {old.get(key, 'default')} -> {new.get(key, 'default')}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
    raise UserError(
        f"{folder} holds a dense model made by other settings ({'; '.join(changed)}). "
        "Choose another --name, or delete the folder to begin anew"
    )


def _flat(settings: dict[str, Any], prefix: str = ""):
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


class Dense:
    """Where a recipe's dense model lies, and how far it is.

    Args:
        recipe: the experiment.
        folder: of its results.

    Raises:
        UserError: the folder holds a dense model made by other settings.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.path, self.checkpoint = folder / "dense.keras", folder / "dense-checkpoint.keras"
        self._settings = folder / "dense.json"
        if self._settings.exists() and (self.path.exists() or self.checkpoint.exists()):
            check_same(json.loads(self._settings.read_text(encoding="utf-8")), identity(recipe), folder)

    @property
    def finished(self) -> bool:
        return self.path.exists()

    def train(self, network: maskrcnn.MaskRCNN, pictures: maskrcnn.data.Dataset, work: Work) -> float:
        """Train a new network, from the checkpoint if there is one, and save it.

        Losses go to `history.csv`. A run that was stopped ends as an unbroken one would have.

        Returns:
            seconds spent here.
        """
        began, training = time.monotonic(), self.recipe.training
        write_text(self._settings, json.dumps(identity(self.recipe), indent=1) + "\n")
        if self.checkpoint.exists():
            self._resume(network)
            work.note(f"going on from {self.checkpoint}, after update {steps_done(network)}")
        work.skip("step", steps_done(network))
        work.say("dense: training")

        def report(logs: dict[str, float]) -> None:
            loss = logs.get("loss", math.nan)
            work.did("step", 1, f"{steps_done(network)}/{training.steps}, loss {loss:.3f}")

        def batches(step: int):
            seed = 2 * self.recipe.seed
            return stream(pictures, network.config, training.batch_size, seed, training.augment, step)

        keeper = _Keeper(self)
        rate = building.training_rates(training)
        fit(network, batches, training.steps, rate, report, [keeper], training.checkpoint_every)
        save_whole(network, self.path)
        self.checkpoint.unlink(missing_ok=True)
        return round(time.monotonic() - began, 2)

    def _resume(self, network: maskrcnn.MaskRCNN) -> None:
        saved = maskrcnn.load(self.checkpoint)
        network.set_weights(saved.get_weights())
        for variable, value in zip(network.optimizer.variables, saved.optimizer.variables, strict=True):
            variable.assign(value.numpy())


class _Keeper(keras.callbacks.Callback):
    """Writes a checkpoint and a line of `history.csv` at the end of every epoch."""

    def __init__(self, dense: Dense) -> None:
        super().__init__()
        self.dense = dense

    def on_epoch_end(self, epoch, logs=None):
        step = steps_done(self.model)
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = pd.DataFrame([{"step": step, "learning_rate": rate, **(logs or {})}])
        path = self.dense.folder / "history.csv"
        if step > self.dense.recipe.training.checkpoint_every and path.exists():
            before = pd.read_csv(path)
            row = pd.concat([before[before["step"] < step], row])
        write_text(path, row.to_csv(index=False))
        if step < self.dense.recipe.training.steps:
            save_whole(self.model, self.dense.checkpoint)
