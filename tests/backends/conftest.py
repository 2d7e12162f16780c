"""Three small networks that are the same on every backend: their weights come from NumPy."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

L = keras.layers


def filled(model, seed=0):
    """The model, every weight drawn anew."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        values = generator.normal(size=variable.shape) * (0.3 if len(variable.shape) > 1 else 0.2)
        variable.assign(np.abs(values) + 0.5 if variable.name in ("gamma", "moving_variance") else values)
    return model


def plain():
    """Two convolutions with batch norms, one of them frozen, and a dense layer."""
    x = image = keras.Input((8, 8, 3), name="image")
    for number, width in enumerate((6, 8)):
        x = L.Conv2D(width, 3, padding="same", use_bias=number == 0, name=f"conv{number}")(x)
        x = L.ReLU(name=f"relu{number}")(L.BatchNormalization(name=f"norm{number}", trainable=number == 1)(x))
    x = L.GlobalAveragePooling2D(name="pool")(x)
    return filled(keras.Model(image, L.Dense(3, name="logits")(x), name="plain"))


def residual():
    """A skip around a depthwise and a separable convolution, and a recurrent layer."""
    image = keras.Input((8, 8, 3), name="image")
    stem = L.Conv2D(8, 3, padding="same", name="stem")(image)
    x = L.Conv2D(6, 3, padding="same", activation="relu", name="inside")(stem)
    x = L.DepthwiseConv2D(3, padding="same", name="deep")(x)
    x = L.BatchNormalization(name="back_norm")(L.SeparableConv2D(8, 3, padding="same", name="back")(x))
    x = L.Activation("relu", name="joined")(L.Add(name="add")([stem, x]))
    x = L.Reshape((4, 7), name="sequence")(L.Conv2D(7, 1, strides=4, name="head")(x))
    x = L.GRU(4, name="gru")(x)
    return filled(keras.Model(image, L.Dense(3, name="logits")(x), name="residual"))


def two_tasks():
    """A shared trunk; `side` is a branch that only the task `right` reads."""
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(6, 3, padding="same", activation="relu", name="trunk")(image)
    left = L.Dense(2, name="left")(L.GlobalAveragePooling2D(name="pool")(x))
    y = keras.ops.relu(L.Conv2D(5, 3, padding="same", name="side")(x))
    right = L.Dense(1, name="right")(L.Flatten(name="flat")(L.Conv2D(2, 3, strides=4, name="narrow")(y)))
    return filled(keras.Model(image, {"left": left, "right": right}, name="two_tasks"))


def pictures(count=8, seed=1):
    return np.random.default_rng(seed).normal(size=(count, 8, 8, 3)).astype("float32")


def targets(count=8, width=3, seed=2):
    return np.random.default_rng(seed).normal(size=(count, width)).astype("float32")


def losses_of(model):
    """Two tasks of any of the three networks, on batches (pictures, targets)."""

    def task_losses(batch):
        x, y = batch[0], keras.ops.convert_to_tensor(batch[1])
        found = model(x, training=False)
        if isinstance(found, dict):
            return {
                "left": keras.ops.mean((found["left"] - y[:, :2]) ** 2),
                "right": keras.ops.mean((found["right"] - y[:, 2:]) ** 2),
            }
        return {"square": keras.ops.mean((found - y) ** 2), "absolute": keras.ops.mean(keras.ops.abs(found - y))}

    return task_losses


def number(value):
    """A scalar tensor's, also of one that PyTorch would still derive."""
    return float(keras.ops.convert_to_numpy(value))


def outputs(model, x):
    return [np.asarray(keras.ops.convert_to_numpy(out)) for out in keras.tree.flatten(model(x, training=False))]


def difference(one, other, x=None):
    """The largest between two networks' outputs."""
    x = pictures() if x is None else x
    pairs = zip(outputs(one, x), outputs(other, x), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.fixture(scope="session")
def small():
    """Makers of the networks and of their data."""
    nets = {"plain": plain, "residual": residual, "two_tasks": two_tasks}
    return SimpleNamespace(
        nets=nets,
        pictures=pictures,
        targets=targets,
        losses_of=losses_of,
        number=number,
        outputs=outputs,
        difference=difference,
    )


@pytest.fixture(params=["plain", "residual", "two_tasks"])
def net(request, small):
    return small.nets[request.param]()
