"""Training that resumes exactly: data, samplers and learning rate are functions of the step alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np

from experiments.errors import UserError
from experiments.runs.monitoring.stopwatch import Stopwatch


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


class EveryBatch(keras.callbacks.TerminateOnNaN):
    """Calls `report(logs)` after every update; logs hold the mean losses so far. Stops a run that diverges by an error.

    The last good state is the run's checkpoint, so a model's `fit` need not keep one in memory: it is a TerminateOnNaN.

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
    model: keras.Model,
    batches: Callable[[int], Iterable],
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
        batches: step -> endless batches from that step on.
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
            model.fit(
                batches(done), steps_per_epoch=steps, epochs=epochs, verbose=0, callbacks=callbacks, shuffle=False
            )
