"""Training that resumes exactly: data, samplers and learning rate are functions of the step alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import maskrcnn
from command import UserError


def stream(
    dataset: maskrcnn.data.Dataset,
    config: maskrcnn.MaskRCNNConfig,
    batch_size: int,
    seed: int,
    augment: str = "none",
    first_step: int = 0,
) -> tf.data.Dataset:
    """Endless training batches from step `first_step` on, as an unbroken run would have met them."""
    per_pass = max(1, len(dataset) // batch_size)
    passes = itertools.count(first_step // per_pass)
    data = maskrcnn.data.batches(
        dataset, config, batch_size, seed=seed, augment=augment, epoch=lambda: next(passes)
    )
    return data.repeat().skip(first_step % per_pass)


class Rates(keras.callbacks.Callback):
    """Sets the learning rate before every update.

    Args:
        rate: step -> learning rate; the step is `optimizer.iterations`.
    """

    def __init__(self, rate: Callable[[int], float]) -> None:
        super().__init__()
        self.rate = rate

    def on_train_begin(self, logs=None):
        self._step = steps_done(self.model)

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = self.rate(self._step)
        self._step += 1


class EveryBatch(keras.callbacks.Callback):
    """Calls `report(logs)` after every update; logs hold the mean losses so far. Stops a run that diverges.

    Args:
        report: of one argument, a dict of floats.
    """

    def __init__(self, report: Callable[[dict], None]) -> None:
        super().__init__()
        self.report = report

    def on_train_batch_end(self, batch, logs=None):
        logs = logs or {}
        if not np.isfinite(logs.get("loss", 0.0)):
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            raise UserError(
                f"the loss is {logs['loss']} after update {steps_done(self.model)}, at learning rate "
                f"{rate:.3g}: it diverged; lower the learning rate or clip_norm, or warm up longer"
            )
        self.report(logs)


def steps_done(model: keras.Model) -> int:
    """Updates that the model's optimizer has made."""
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def fit(
    model: maskrcnn.MaskRCNN,
    batches: Callable[[int], tf.data.Dataset],
    until: int,
    rate: Callable[[int], float],
    report: Callable[[dict], None],
    callbacks: Sequence[keras.callbacks.Callback] = (),
    every: int | None = None,
) -> None:
    """Train until the optimizer has made `until` updates; a model keeps its one compiled step over calls.

    Args:
        model: compiled.
        batches: step -> endless batches from that step on (`stream`).
        until: updates in all.
        rate: step -> learning rate.
        report: called after every update with the mean losses.
        callbacks: more of them.
        every: updates in what Keras calls an epoch; all if None. The last one is shorter if need be.
    """
    callbacks = [Rates(rate), EveryBatch(report), *callbacks]
    while (done := steps_done(model)) < until:
        steps = min(every or until, until - done)
        epochs = (until - done) // steps
        model.fit(batches(done), steps_per_epoch=steps, epochs=epochs, verbose=0, callbacks=callbacks)


class Memory:
    """The state of a model and its optimizer, to be restored without a new compilation.

    Args:
        model: compiled, its optimizer built.
    """

    def __init__(self, model: maskrcnn.MaskRCNN) -> None:
        self._model = model
        self._weights = model.get_weights()
        self._optimizer = [variable.numpy() for variable in model.optimizer.variables]

    def restore(self) -> None:
        """Write the state back."""
        self._model.set_weights(self._weights)
        for variable, value in zip(self._model.optimizer.variables, self._optimizer, strict=True):
            variable.assign(value)


def save_whole(model: keras.Model, path: Path) -> None:
    """Save a .keras file that is there whole or not at all."""
    part = path.with_name(f"part-{path.name}")
    model.save(part)
    part.replace(path)
