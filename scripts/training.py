"""Training that resumes exactly: data, samplers and learning rate are functions of the step alone."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import maskrcnn
from command import UserError
from stopwatch import Stopwatch
from store import whole


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
    data = maskrcnn.data.batches(dataset, config, batch_size, seed=seed, augment=augment, epoch=lambda: next(passes))
    return data.repeat().skip(first_step % per_pass)


class Rates(keras.callbacks.Callback):
    """Sets the learning rate before every update.

    Args:
        rate: step -> learning rate; the step is `optimizer.iterations`.
        watch: counts the time spent here as overhead.
    """

    def __init__(self, rate: Callable[[int], float], watch: Stopwatch) -> None:
        super().__init__()
        self.rate, self.watch = rate, watch

    def on_train_begin(self, logs=None):
        self._step = steps_done(self.model)

    def on_train_batch_begin(self, batch, logs=None):
        with self.watch("overhead"):
            self.model.optimizer.learning_rate = self.rate(self._step)
            self._step += 1


class EveryBatch(keras.callbacks.Callback):
    """Calls `report(logs)` after every update; logs hold the mean losses so far. Stops a run that diverges.

    Args:
        report: of one argument, a dict of floats.
        watch: counts the time spent here as overhead.
    """

    def __init__(self, report: Callable[[dict], None], watch: Stopwatch) -> None:
        super().__init__()
        self.report, self.watch = report, watch

    def on_train_batch_end(self, batch, logs=None):
        with self.watch("overhead"):
            self._check(logs or {})

    def _check(self, logs: dict) -> None:
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
    watch: Stopwatch,
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
        watch: counts the time as "train", but that of the callbacks here.
        callbacks: more of them.
        every: updates in what Keras calls an epoch; all if None. The last one is shorter if need be.
    """
    callbacks = [Rates(rate, watch), EveryBatch(report, watch), *callbacks]
    while (done := steps_done(model)) < until:
        steps = min(every or until, until - done)
        epochs = (until - done) // steps
        with watch("train"):
            model.fit(batches(done), steps_per_epoch=steps, epochs=epochs, verbose=0, callbacks=callbacks)


class Memory:
    """The state of a model and its optimizer, masks included, to be restored without a new compilation.

    Args:
        model: compiled, its optimizer built.
    """

    def __init__(self, model: maskrcnn.MaskRCNN) -> None:
        self._model = model
        self._values = [np.array(variable) for variable in _state(model)]

    def restore(self) -> None:
        """Write the state back."""
        for variable, value in zip(_state(self._model), self._values, strict=True):
            variable.assign(value)

    def save(self, path: Path) -> None:
        """Write an .npz file that is there whole or not at all; `restore_from` reads it."""
        with whole(path) as part:
            np.savez(part, *self._values)


def restore_from(path: Path, model: maskrcnn.MaskRCNN) -> None:
    """Give a model and its optimizer the state that `Memory.save` wrote.

    Raises:
        UserError: the file cannot be read, or is of another model.
    """
    try:
        with np.load(path) as stored:
            values = [stored[name] for name in stored.files]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it to train anew") from None
    state = _state(model)
    if [value.shape for value in values] != [tuple(variable.shape) for variable in state]:
        raise UserError(f"{path} holds the state of another model; delete it to train anew")
    for variable, value in zip(state, values, strict=True):
        variable.assign(value)


def _state(model: maskrcnn.MaskRCNN) -> list:
    return [*model.weights, *model.optimizer.variables]


def bare(model: maskrcnn.MaskRCNN) -> maskrcnn.MaskRCNN:
    """The same network without an optimizer."""
    return maskrcnn.MaskRCNN(model.config, network=model.network, name=model.name)


def save_model(model: maskrcnn.MaskRCNN, path: Path) -> None:
    """Save a network, without optimizer, as a .keras file that is there whole or not at all."""
    with whole(path) as part:
        bare(model).save(part)
