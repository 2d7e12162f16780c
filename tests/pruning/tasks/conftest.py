"""A small network with two tasks, and data that both can learn."""

import types

import keras
import numpy as np
import pytest

import pruning


def two_tasks(seed=0):
    """Of numbers (N, 6): whether the first exceeds the second, and the sum of the next three; shared and own layers."""
    keras.utils.set_random_seed(seed)
    numbers = keras.Input((6,), name="numbers")
    shared = keras.layers.Dense(12, activation="relu", name="shared")(numbers)
    left = keras.layers.Dense(6, activation="relu", name="left")(shared)
    right = keras.layers.Dense(6, activation="relu", name="right")(shared)
    outputs = {
        "order": keras.layers.Dense(1, activation="sigmoid", name="order")(left),
        "total": keras.layers.Dense(1, name="total")(right),
    }
    return keras.Model(numbers, outputs, name="two_tasks")


def data(count=96, seed=1):
    x = np.random.default_rng(seed).normal(size=(count, 6)).astype("float32")
    return x, {"order": (x[:, 0] > x[:, 1]).astype("float32"), "total": x[:, 2:5].sum(axis=1)}


LOSSES = {"order": "binary_crossentropy", "total": "mse"}


@pytest.fixture
def two():
    keras.utils.clear_session(free_memory=False)  # the names of layers begin anew
    return TWO


@pytest.fixture(scope="module")
def two_again():
    """The same, for fixtures of a module."""
    keras.utils.clear_session(free_memory=False)  # the names of layers begin anew
    return TWO


def compiled(weights=None, seed=0, rate=0.01, metrics=None):
    model = two_tasks(seed)
    optimizer = pruning.masked(keras.optimizers.Adam(rate))
    metrics = metrics or {"order": ["accuracy"], "total": ["mae"]}
    model.compile(optimizer, loss=LOSSES, loss_weights=weights, metrics=metrics)
    return model


TWO = types.SimpleNamespace(model=two_tasks, data=data, losses=LOSSES, compiled=compiled)
