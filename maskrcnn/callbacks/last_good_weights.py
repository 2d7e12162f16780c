"""An end to a training whose loss is no number, with the last good weights."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf

from maskrcnn.training.compile_options import batches_seen, innermost


class DivergedError(ValueError):
    """A loss was no number; the message says which, where, and what to do."""


class KeepLastGood(keras.callbacks.Callback):
    """Ends `fit` by an error when a loss or a weight is NaN or infinite, after restoring the model's last good state.

    `fit` adds one by itself, unless it is given one or a `keras.callbacks.TerminateOnNaN`. Keras's stops in silence and
    leaves the model with weights that are no numbers. `keras.callbacks.BackupAndRestore` goes well with this one: its
    file is that of the last whole epoch, and the next `fit` begins there.

    Losses are looked at after every update, weights at the end of an epoch: a ReLU can hide a NaN from the losses. The
    state is a copy of all weights and of the optimizer in main memory, taken when training begins and after each epoch.

    Raises:
        DivergedError: from `fit`.
    """

    def on_train_begin(self, logs=None):
        self._update, self._values = 0, None

    def on_epoch_begin(self, epoch, logs=None):
        if self._values is None:  # not before BackupAndRestore has restored
            self._keep()

    def on_train_batch_end(self, batch, logs=None):
        bad = {name: value for name, value in (logs or {}).items() if not math.isfinite(value)}
        if bad:
            name = next((name for name in bad if name != "loss"), "loss")
            self._end(f"{name} is {bad[name]}")

    def on_epoch_end(self, epoch, logs=None):
        self._keep()

    def on_train_end(self, logs=None):
        self._values = None  # their memory

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def _keep(self):
        values = [tf.convert_to_tensor(variable.value).numpy() for variable in self._variables()]
        for variable, value in zip(self._variables(), values, strict=True):
            if value.dtype.kind not in "biu" and not np.isfinite(value).all():
                self._end(f"a weight of {variable.path} is {value[~np.isfinite(value)].flat[0]}")
        self._values, self._update = values, batches_seen(self.model.optimizer)

    def _end(self, what: str):
        update = batches_seen(self.model.optimizer)
        rate = float(keras.ops.convert_to_numpy(innermost(self.model.optimizer).learning_rate))
        if self._values is None:
            raise DivergedError(f"{what} before the first update: give the model weights that are numbers.")
        for variable, value in zip(self._variables(), self._values, strict=True):
            variable.assign(value)
        self._values = None
        raise DivergedError(
            f"{what} at update {update}, learning rate {rate:.3g}: the training diverged; lower the learning rate, "
            f"warm it up, or give the optimizer global_clipnorm=10; the model has the weights of update {self._update} "
            "again."
        )
