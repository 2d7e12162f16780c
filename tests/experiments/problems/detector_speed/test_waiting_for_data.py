import time
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from experiments.problems.detector_speed.waiting_for_data import measure

SECONDS = 0.05  # that a batch takes to make


class Watched(keras.Sequential):
    """Shows callbacks its batches, as a Mask R-CNN does."""

    def fit(self, batches, *, callbacks, **how):
        return super().fit(callbacks[0].watch(batches), callbacks=callbacks, **how)


class Slow:
    """A problem whose pictures take far longer than its updates."""

    recipe = SimpleNamespace(training=SimpleNamespace(batch_size=2), seeds=(0,), name="slow", threads=3)

    def model(self, seed):
        model = Watched([keras.Input((3,)), keras.layers.Dense(1)])
        model.config = SimpleNamespace(min_size=64, max_size=96)
        return model

    def compile(self, model, optimizer):
        model.compile(optimizer, "mse")

    def batches(self, split, seed):
        def made():
            while True:
                time.sleep(SECONDS)
                yield np.zeros((2, 3), "float32"), np.zeros((2, 1), "float32")

        spec = tf.TensorSpec((2, 3), tf.float32), tf.TensorSpec((2, 1), tf.float32)
        return tf.data.Dataset.from_generator(made, output_signature=spec)


def test_a_training_that_waits_is_seen_to_wait():
    row = measure(Slow(), 5)
    assert 0 < row["waiting"] <= 1 and row["step_ms"] > 0
    assert row["data_ms_a_picture"] >= 1e3 * SECONDS / 2  # sleep does not return early
    assert {name: row[name] for name in ("recipe", "min_size", "max_size", "batch_size", "steps", "threads")} == {
        "recipe": "slow", "min_size": 64, "max_size": 96, "batch_size": 2, "steps": 5, "threads": 3,
    }  # fmt: skip
