"""Our schedules inside tensorflow-model-optimization's pruning, and its own inside our callback: the same values."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

import schedules

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("tensorflow_model_optimization", "tf_keras")),
        reason="tensorflow-model-optimization or tf_keras is not installed",
    ),
]


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=600, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_our_schedules_prune_a_tf_keras_model_as_they_say():
    out = run(
        """
        import numpy as np, tensorflow as tf, tf_keras, schedules
        import tensorflow_model_optimization as tfmot

        common = dict(initial_sparsity=0.1, final_sparsity=0.8, begin_step=2, end_step=17, frequency=4)
        ours = [
            schedules.PolynomialDecay(**common), schedules.CosineSparsity(**common),
            schedules.OneCycleSparsity(**common), schedules.ExponentialSparsity(**common),
            schedules.CyclicalSparsity(**common), schedules.OneShot(0.5, 5),
            schedules.Repeated(schedules.PolynomialDecay(0.0, 0.6, 0, 8, frequency=3), 2),
            schedules.PolynomialDecay(0.1, 0.8, 2, 18, frequency=4),
        ]
        x = np.random.default_rng(0).normal(size=(8, 16)).astype("float32")
        for number, schedule in enumerate(ours):
            # The last one is the library's own schedule of the same values.
            theirs = schedules.to_tfmot(schedule) if number == len(ours) - 1 else schedules.as_tfmot(schedule)
            dense = tf_keras.Sequential([tf_keras.layers.Dense(125, input_shape=(16,))])
            model = tfmot.sparsity.keras.prune_low_magnitude(dense, pruning_schedule=theirs)
            model.compile("sgd", "mse")
            mask = next(weight for weight in model.weights if "mask" in weight.name)
            gone, expected, now = [], [], 0.0

            class Look(tf_keras.callbacks.Callback):
                def on_train_batch_end(self, batch, logs=None):
                    gone.append(1 - mask.numpy().mean())

            step = tfmot.sparsity.keras.UpdatePruningStep()
            model.fit(x, np.zeros((8, 125)), epochs=24, verbose=0, callbacks=[step, Look()])
            for step in range(1, 25):  # the wrapper counts the step before it asks
                due, sparsity = schedule(step)
                now = sparsity if due else now
                expected.append(now)
            off = np.abs(np.array(gone) - np.array(expected)).max()
            # Their mask lets all zeros go at once where sparsity falls, so that only rising schedules are held exactly.
            assert off < 1 / 2000 + 1e-6 or not schedule.rises, (schedule, gone, expected)
            for step in range(30):
                due, value = theirs(tf.constant(step))
                assert bool(due) == schedule(step)[0] and abs(float(value) - schedule(step)[1]) < 1e-6, (schedule, step)
        print(len(ours))
        """,
        TF_USE_LEGACY_KERAS="1",
    )
    assert out.strip().endswith("8")


def test_their_schedule_prunes_in_our_callback_as_ours_does():
    out = run(
        """
        import keras, numpy as np, pruning, schedules

        def history(schedule):
            keras.utils.set_random_seed(0)
            image = keras.Input((8,))
            x = keras.layers.Dense(41, activation="relu", name="hidden")(image)
            model = keras.Model(image, keras.layers.Dense(2, name="out")(x))
            model.compile(pruning.masked("sgd"), "mse")
            callback, asked = pruning.PruningCallback(pruning.L1(), schedule), []

            class Look(keras.callbacks.Callback):
                def on_train_batch_end(self, batch, logs=None):
                    kernel = model.get_layer("hidden").kernel.numpy()
                    plan = callback.plan
                    asked.append((plan.asked if plan else 0.0, int((np.abs(kernel).sum(axis=0) == 0).sum())))

            x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
            model.fit(x, np.ones((4, 2)), epochs=22, verbose=0, callbacks=[callback, Look()])
            return asked

        for ours in (schedules.PolynomialDecay(0.1, 0.8, 2, 18, frequency=4), schedules.ConstantSparsity(0.4, 3)):
            mine, theirs = history(ours), history(schedules.to_tfmot(ours))
            assert np.allclose([one[0] for one in mine], [one[0] for one in theirs], atol=1e-6), (mine, theirs)
            assert [one[1] for one in mine] == [one[1] for one in theirs], (mine, theirs)
            assert mine[-1] == (ours(21)[1], round(ours(21)[1] * 41)), mine
        print("the same")
        """
    )
    assert out.strip().endswith("the same")


def test_a_schedule_without_an_end_has_no_table():
    with pytest.raises(ValueError, match="has no end"):
        schedules.as_tfmot(schedules.ConstantSparsity(0.5, 3))
