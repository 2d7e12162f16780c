"""How much of the training time is spent waiting for the next batch."""

from __future__ import annotations

import time

import keras
import numpy as np
import tensorflow as tf


class DataWaiting(keras.callbacks.Callback):
    """Puts the share of the training time that waited for data into the logs of the epoch.

    ```python
    history = model.fit(dataset, callbacks=[maskrcnn.callbacks.DataWaiting()])
    print(history.history["data_waiting"])  # [0.02]: two hundredths of the time of training steps
    ```

    Logged are `data_waiting`, the share in [0, 1] of the time of the epoch's training steps (validation and other
    callbacks do not count), and `data_waiting_ms`, milliseconds a batch. Where the share is not near 0, training is as
    slow as the data: give it more cores or smaller pictures, or hold them in memory. The first batch of an epoch is
    among them, which no step before it leaves time for.

    `MaskRCNN.fit` shows it its batches; for another model, `model.fit(waiting.watch(batches), callbacks=[waiting])`.

    Attributes:
        share: the latest epoch's share; NaN before the first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.share = float("nan")
        self._asked = self._waited = self._trained = 0.0
        self._batches = 0

    def watch(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """The same batches, of which this callback learns when each is asked for and when it comes.

        Args:
            batches: of training; as they are if they are no tf.data.Dataset.
        """
        if not isinstance(batches, tf.data.Dataset):
            return batches
        asked = tf.data.Dataset.range(1).repeat().map(lambda _: _called(self._note_asked))

        def arrived(_, batch):
            with tf.control_dependencies([_called(self._note_arrived)]):
                return tf.nest.map_structure(tf.identity, batch)

        # A pair is read in its order, both by who asks: so nothing may read ahead behind it.
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        return tf.data.Dataset.zip((asked, batches)).map(arrived).with_options(options)

    def on_epoch_begin(self, epoch, logs=None):
        self._waited = self._trained = 0.0
        self._batches = 0

    def on_train_batch_begin(self, batch, logs=None):
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self._trained += time.perf_counter() - self._began

    def on_epoch_end(self, epoch, logs=None):
        self.share = min(1.0, self._waited / self._trained) if self._trained and self._batches else float("nan")
        if logs is not None and self._batches:
            logs["data_waiting"] = self.share
            logs["data_waiting_ms"] = 1e3 * self._waited / self._batches

    def _note_asked(self) -> None:
        self._asked = time.perf_counter()

    def _note_arrived(self) -> None:
        self._waited += time.perf_counter() - self._asked
        self._batches += 1


def _called(note):
    """A tensor that calls `note` when it is computed, once each time."""

    def call():
        note()
        return np.int64(0)

    return tf.numpy_function(call, [], tf.int64, stateful=True)
