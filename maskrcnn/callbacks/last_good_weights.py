"""An end to a training whose loss is no number, with the last good weights."""

from __future__ import annotations

import math

import keras
import numpy as np

from maskrcnn.compile_options import batches_seen, innermost


class DivergedError(ValueError):
    """A loss was no number; the message says which, where, and what to do."""


class KeepLastGood(keras.callbacks.Callback):
    """Ends `fit` by an error when a loss is NaN or infinite, after giving the model back its last good state.

    `fit` adds one by itself, unless it is given one or a `keras.callbacks.TerminateOnNaN`. Keras's stops in silence and
    leaves the model with weights that are no numbers. `keras.callbacks.BackupAndRestore` goes well with this one: its
    file is that of the last whole epoch, and the next `fit` begins there.

    The state is a copy of all weights and of the optimizer in main memory, taken when an epoch begins with weights that
    are all finite.

    Raises:
        DivergedError: from `fit`.
    """

    def on_train_begin(self, logs=None):
        self._update, self._values = 0, None

    def on_epoch_begin(self, epoch, logs=None):
        self._keep()

    def on_train_batch_end(self, batch, logs=None):
        bad = {name: value for name, value in (logs or {}).items() if not math.isfinite(value)}
        if not bad:
            return
        name, value = next(((n, v) for n, v in bad.items() if n != "loss"), ("loss", bad.get("loss")))
        update = batches_seen(self.model.optimizer)
        rate = float(keras.ops.convert_to_numpy(innermost(self.model.optimizer).learning_rate))
        raise DivergedError(
            f"{name} is {value} at update {update}, learning rate {rate:.3g}: the training diverged; lower the "
            f"learning rate, warm it up, or give the optimizer global_clipnorm=10; {self._restore()}."
        )

    def on_train_end(self, logs=None):
        self._values = None  # their memory

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def _keep(self):
        values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables()]
        if all(np.isfinite(value).all() for value in values if value.dtype.kind not in "biu"):
            self._values, self._update = values, batches_seen(self.model.optimizer)

    def _restore(self) -> str:
        """Write the state back; what to say of it."""
        if self._values is None:
            return "the model's weights were no numbers when it began"
        for variable, value in zip(self._variables(), self._values, strict=True):
            variable.assign(value)
        self._values = None
        return f"the model has the weights of update {self._update} again"
