"""The training of a seed's dense model."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from experiments.runs.grid import RunSettings
from experiments.runs.run_folder import RunFolder
from experiments.runs.seed_model import SeedModel
from experiments.runs.training.loop import steps_done
from experiments.runs.training.optimizers import training_rates
from experiments.runs.training.state import restore_from, save_model


def train_dense(
    seed_model: SeedModel, folder: RunFolder, run: RunSettings, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> float | None:
    """Train a seed's dense model, from the checkpoint if there is one, and save it; returns what `train` does."""
    seed_model.restore_new()
    if folder.checkpoint.exists():
        restore_from(folder.checkpoint, seed_model.model)
        seed_model.work.skip("step", steps_done(seed_model.model))
        seed_model.work.note(f"{folder.name}: going on after update {steps_done(seed_model.model)}")
    rate = training_rates(run.training)
    step_seconds = seed_model.train(
        folder, "dense", run.training.steps, rate, seed_model.data_seed(run), f"dense, seed {run.seed}",
        callbacks=callbacks,
    )  # fmt: skip
    save_model(seed_model.problem, seed_model.model, folder.model)
    folder.checkpoint.unlink(missing_ok=True)
    return step_seconds
