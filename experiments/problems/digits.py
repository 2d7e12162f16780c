"""scikit-learn's handwritten digits with three tasks: a small problem of one's own, from end to end.

Which digit it is, whether it is even, and how far it leans: one small network with three outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

from experiments.declaration import Task
from experiments.problem import Problem
from experiments.problems.functional import array_batches

_SPLITS = {"train": slice(0, 1197), "tune": slice(1197, 1497), "test": slice(1497, 1797)}  # pictures, in their order


class Digits(Problem):
    """8 x 8 grey pictures of digits: digit, parity and slant."""

    tasks = (
        Task("digit", "digits", "accuracy", floor="the most frequent digit", label="accuracy"),
        Task("parity", "parity", "accuracy", floor="the more frequent parity", label="accuracy"),
        Task("slant", "slant", "rmse", higher_is_better=False, floor="the mean slant", label="RMSE, degrees"),
    )
    losses = {"digit": "sparse_categorical_crossentropy", "parity": "binary_crossentropy", "slant": "mse"}
    loss_weights = {"slant": 0.02}  # degrees squared are large numbers

    def __init__(self, recipe: Any = None) -> None:
        super().__init__(recipe)
        pictures, digits = load_digits(return_X_y=True)
        pictures = pictures.reshape(-1, 8, 8, 1).astype("float32") / 16
        targets = {"digit": digits, "parity": (digits % 2).astype("float32"), "slant": slant(pictures)}
        self.data = {
            split: (pictures[part], {name: values[part] for name, values in targets.items()})
            for split, part in _SPLITS.items()
        }

    def model(self, seed: int) -> keras.Model:
        picture = keras.Input((8, 8, 1), name="picture")
        x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1")(picture)
        x = keras.layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="conv2")(x)
        x = keras.layers.Flatten(name="flat")(x)
        x = keras.layers.Dense(64, activation="relu", name="shared")(x)
        outputs = {
            "digit": keras.layers.Dense(10, activation="softmax", name="digit")(x),
            "parity": keras.layers.Dense(1, activation="sigmoid", name="parity")(x),
            "slant": keras.layers.Dense(1, name="slant")(x),
        }
        return keras.Model(picture, outputs, name="digits")

    def batches(self, split: str, seed: int, step: int = 0) -> Iterable:
        return array_batches(*self.data[split], self.recipe.training.batch_size, seed, step)

    def evaluate(self, model: keras.Model, split: str) -> dict[str, dict[str, float]]:
        pictures, targets = self.data[split]
        found = {name: np.asarray(values) for name, values in model(pictures, training=False).items()}
        parity, lean = found["parity"][:, 0], found["slant"][:, 0]
        return {
            "digit": {"accuracy": np.mean(found["digit"].argmax(axis=1) == targets["digit"])},
            "parity": {"accuracy": np.mean((parity > 0.5) == targets["parity"])},
            "slant": {"rmse": np.sqrt(np.mean((lean - targets["slant"]) ** 2))},
        }

    def floors(self, split: str) -> dict[str, dict[str, float]]:
        targets, known = self.data[split][1], self.data["train"][1]
        often = np.bincount(known["digit"]).argmax()
        even = np.mean(known["parity"]) > 0.5
        return {
            "digit": {"accuracy": np.mean(targets["digit"] == often)},
            "parity": {"accuracy": np.mean(targets["parity"] == even)},
            "slant": {"rmse": np.sqrt(np.mean((known["slant"].mean() - targets["slant"]) ** 2))},
        }


def slant(pictures: np.ndarray) -> np.ndarray:
    """How far the ink leans from the vertical, degrees, (N,): the line that fits its pixels best, row by row."""
    ink = pictures[..., 0] + 1e-6
    rows, columns = np.mgrid[0:8, 0:8].astype("float32")
    total = ink.sum(axis=(1, 2), keepdims=True)
    y = rows - (ink * rows).sum(axis=(1, 2), keepdims=True) / total
    x = columns - (ink * columns).sum(axis=(1, 2), keepdims=True) / total
    shift = (ink * x * y).sum(axis=(1, 2)) / (ink * y * y).sum(axis=(1, 2))  # pixels from one row to the next
    return np.degrees(np.arctan(shift)).astype("float32")
