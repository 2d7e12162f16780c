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
from experiments.sample_answers import Answers, Tally

_CLASSES = {"digit": tuple(map(str, range(10))), "parity": ("even", "odd")}
_CHURN = {
    "changed": "answered in another way than by the dense model",
    "lost": "right in the dense model and wrong here",
    "gained": "wrong in the dense model and right here",
}
_SPLITS = {"train": slice(0, 1197), "tune": slice(1197, 1497), "test": slice(1497, 1797)}  # pictures, in their order


class Digits(Problem):
    """8 x 8 grey pictures of digits: digit, parity and slant."""

    tasks = (
        Task("digit", "digits", "accuracy", floor="the most frequent digit", label="accuracy"),
        Task("parity", "parity", "accuracy", floor="the more frequent parity", label="accuracy"),
        Task("slant", "slant", "rmse", higher_is_better=False, floor="the mean slant", label="RMSE, degrees"),
    )
    losses = {"digit": "sparse_categorical_crossentropy", "parity": "binary_crossentropy", "slant": "mse"}
    columns = {
        **{f"churn_{name}_{how}": f"share of pictures whose {name} is {text}"
           for name in _CLASSES for how, text in _CHURN.items()},
        "churn_slant_moved": "mean distance of the slant from the dense model's answer, degrees",
    }  # fmt: skip
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
        return self.evaluate_with_answers(model, split)[0]

    def evaluate_with_answers(self, model: keras.Model, split: str) -> tuple[dict[str, dict[str, float]], Answers]:
        pictures, targets = self.data[split]
        outputs = {name: np.asarray(values) for name, values in model(pictures, training=False).items()}
        found = {
            "digit": outputs["digit"].argmax(axis=1), "parity": outputs["parity"][:, 0] > 0.5,
            "slant": outputs["slant"][:, 0],
        }  # fmt: skip
        right = {name: found[name] == targets[name] for name in _CLASSES}
        errors = (found["slant"] - targets["slant"]) ** 2
        measures = {
            **{name: {"accuracy": np.mean(values)} for name, values in right.items()},
            "slant": {"rmse": np.sqrt(np.mean(errors))},
        }
        tallies = {"slant": Tally(errors[:, None], np.ones((len(errors), 1)), root=True)}
        for name, names in _CLASSES.items():
            of = np.eye(len(names))[targets[name].astype(int)]
            tallies[name] = Tally(right[name][:, None] * of, of, names, macro=False)
        return measures, Answers(tallies, found | {f"{name}_right": values for name, values in right.items()})

    def churn(self, dense: Answers, now: Answers) -> dict[str, dict[str, float]]:
        before, after = dense.found, now.found
        shares: dict[str, dict[str, float]] = {"slant": {"moved": np.mean(np.abs(after["slant"] - before["slant"]))}}
        for name in _CLASSES:
            was, is_right = before[f"{name}_right"], after[f"{name}_right"]
            shares[name] = {
                "changed": np.mean(after[name] != before[name]),
                "lost": np.mean(was & ~is_right),
                "gained": np.mean(~was & is_right),
            }
        return shares

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
