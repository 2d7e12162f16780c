"""With a clock that data and steps move by hand, and on the batches of MaskRCNN.fit."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from maskrcnn.callbacks import DataWaiting, data_waiting
from maskrcnn.data import batches
from maskrcnn.training import fit_inputs


class Clock:
    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


class Work(keras.callbacks.Callback):
    """A step takes so many seconds."""

    def __init__(self, clock, seconds):
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def on_train_batch_end(self, batch, logs=None):
        self.clock.now += self.seconds


def small_model(steps_per_execution=1):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    return model


def slow(clock, seconds, count=4):
    """Batches, each of which takes so many seconds to make."""

    def make(_):
        clock.now += seconds
        return np.ones((3, 2), np.float32), np.ones((3, 1), np.float32)

    def shaped(i):  # in the same map: one of its own would read ahead
        x, y = tf.numpy_function(make, [i], [tf.float32] * 2)
        return tf.ensure_shape(x, (3, 2)), tf.ensure_shape(y, (3, 1))

    return tf.data.Dataset.range(count).map(shaped)


@pytest.mark.parametrize(("making", "step", "share"), [(3.0, 1.0, 0.75), (0.0, 2.0, 0.0), (1.0, 0.0, 1.0)])
@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_the_share_is_the_time_from_asking_to_coming(monkeypatch, making, step, share, steps_per_execution):
    clock = Clock()
    monkeypatch.setattr(data_waiting, "time", clock)
    model, waiting = small_model(steps_per_execution), DataWaiting()
    watched = waiting.watch(slow(clock, making))
    assert int(watched.cardinality()) == 4
    work = Work(clock, step * steps_per_execution)
    logs = model.fit(watched, epochs=2, verbose=0, callbacks=[work, waiting]).history
    assert logs["data_waiting"] == [share, share]
    assert logs["data_waiting_ms"] == [1e3 * making] * 2
    assert waiting.share == share


def test_without_its_batches_it_says_nothing():
    waiting = DataWaiting()
    assert waiting.watch([1, 2]) == [1, 2]
    history = small_model().fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[waiting]).history
    assert "data_waiting" not in history
    assert math.isnan(waiting.share)


def test_it_sees_the_batches_of_fit_and_changes_none(tiny, pictures):
    waiting = DataWaiting()
    plain = batches(pictures, tiny().config, 4, training=False)
    seen = fit_inputs.watched(plain, keras.callbacks.CallbackList([keras.callbacks.History(), waiting]))
    assert fit_inputs.watched(plain, [keras.callbacks.History()]) is plain
    assert seen.element_spec == plain.element_spec
    for one, other in zip(plain, seen, strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key]) for key in one)
    assert waiting._batches == 2
