"""Adam's rate computed once an update: the same numbers to the bit, from fewer operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import optimizers

import pruning


def trained(optimizer, steps=5):
    """Weights after some updates, and how often the step's graph takes a power."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(6, "tanh") for _ in range(2))])
    optimizer.build(model.trainable_variables)
    data = np.random.default_rng(0).normal(size=(2, 8, 4)).astype("float32")

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(x)))
        optimizer.apply(tape.gradient(loss, [v.value for v in model.trainable_variables]), model.trainable_variables)

    for number in range(steps):
        step(tf.constant(data[number % 2]))
    graph = step.get_concrete_function(tf.constant(data[0])).graph
    powers = sum(node.type == "Pow" for node in graph.get_operations())
    return [weight.numpy() for weight in model.weights], powers


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Adam", {}),
        ("AdamW", {"weight_decay": 0.1, "global_clipnorm": 0.5, "use_ema": True, "ema_momentum": 0.5}),
        ("Adam", {"gradient_accumulation_steps": 2}),
        ("Adam", {"amsgrad": True}),
    ],
)
def test_weights_are_those_of_keras_to_the_bit(kind, settings):
    make = getattr(optimizers, kind)
    plain, many = trained(make(0.01, **settings))
    once, few = trained(pruning.masked(make(0.01, **settings)))
    for one, other in zip(plain, once, strict=True):
        np.testing.assert_array_equal(one, other)
    if not settings.get("amsgrad") and "gradient_accumulation_steps" not in settings:
        assert (many, few) == (8, 2)  # two powers of each of four variables, and of the step


def test_an_update_of_ones_own_stays():
    class Own(optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            self.assign(variable, keras.ops.zeros_like(variable))

    weights, _ = trained(pruning.masked(Own(0.01)), steps=1)
    assert not any(weight.any() for weight in weights)
