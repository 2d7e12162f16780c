"""A small model around each layer of Keras: what comes in has channels that may go, and so has what comes out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

L = keras.layers
SHAPES = {"1D": (6, 8), "2D": (6, 6, 8), "3D": (4, 4, 4, 8)}
WORDS = 12  # numbers that embeddings know


@dataclass(frozen=True)
class Example:
    """One layer, and what it is called on.

    Attributes:
        make: the layer.
        shape: of what comes in, without the batch axis; the last axis holds the channels.
        inputs: how many such tensors.
        call: (layer, the tensors) -> what it gives; default, the layer of the one tensor, or of the list of several.
        integers: whether it takes integers, instead of channels.
    """

    make: Callable[[], Any]
    shape: tuple = (8,)
    inputs: int = 1
    call: Callable[[Any, list], Any] | None = None
    integers: bool = False


def surrounded(example: Example) -> Any:
    """A model: dense layers "before0", ..., the layer "probed", and a dense layer on each thing that it gives."""
    layer = example.make()
    source = keras.Input(example.shape if example.integers else (*example.shape[:-1], 3), name="source")
    entering = [source]
    if example.integers:
        source = entering[0] = keras.Input(example.shape, dtype="int32", name="source")
    else:
        entering = [L.Dense(example.shape[-1], name=f"before{n}")(source) for n in range(example.inputs)]
    if example.call:
        found = example.call(layer, entering)
    else:
        found = layer(entering[0] if len(entering) == 1 else entering)
    return keras.Model(source, ends(found), name="example")


def ends(tensors: Any) -> list:
    """A dense layer that reads each tensor, so that no channel of it is an output of the model."""
    found = []
    for number, tensor in enumerate(keras.tree.flatten(tensors)):
        if tensor.shape[0] is not None and len(tensor.shape) < 2:  # one number for all examples
            continue
        flat = L.Flatten(name=f"flat{number}")(keras.ops.cast(tensor, "float32") if _exact(tensor) else tensor)
        found.append(L.Dense(2, name=f"end{number}")(flat))
    return found


def layer_examples() -> dict[str, Example]:
    """Name of a layer in `keras.layers` -> its example; names that this version of Keras lacks are left out."""
    found = {
        "Dense": Example(lambda: L.Dense(6)),
        "EinsumDense": Example(lambda: L.EinsumDense("abc,cd->abd", (5, 6), bias_axes="d"), (5, 8)),
        "Embedding": Example(lambda: L.Embedding(WORDS, 6), (5,), integers=True),
        "ReversibleEmbedding": Example(lambda: L.ReversibleEmbedding(WORDS, 6), (5,), integers=True),
        "BatchNormalization": Example(lambda: L.BatchNormalization()),
        "GroupNormalization": Example(lambda: L.GroupNormalization(4), SHAPES["2D"]),
        "LayerNormalization": Example(lambda: L.LayerNormalization()),
        "RMSNormalization": Example(lambda: L.RMSNormalization()),
        "UnitNormalization": Example(lambda: L.UnitNormalization()),
        "Normalization": Example(lambda: L.Normalization(mean=[0.5] * 8, variance=[2.0] * 8)),
        "SpectralNormalization": Example(lambda: L.SpectralNormalization(L.Conv2D(6, 3)), SHAPES["2D"]),
        "Rescaling": Example(lambda: L.Rescaling(0.5)),
        "Activation": Example(lambda: L.Activation("relu")),
        "PReLU": Example(lambda: L.PReLU()),
        "Softmax": Example(lambda: L.Softmax()),
        "Flatten": Example(lambda: L.Flatten(), SHAPES["2D"]),
        "Reshape": Example(lambda: L.Reshape((36, 8)), SHAPES["2D"]),
        "Permute": Example(lambda: L.Permute((2, 1)), SHAPES["1D"]),
        "RepeatVector": Example(lambda: L.RepeatVector(3)),
        "Concatenate": Example(lambda: L.Concatenate(), inputs=2),
        "Dot": Example(lambda: L.Dot(1), inputs=2),
        "MultiHeadAttention": Example(lambda: L.MultiHeadAttention(3, 4, value_dim=5), (5, 8), 3, _attend),
        "GroupQueryAttention": Example(lambda: L.GroupQueryAttention(4, 6, 3), (5, 8), 3, _attend),
        "Attention": Example(lambda: L.Attention(), (5, 8), 3),
        "AdditiveAttention": Example(lambda: L.AdditiveAttention(), (5, 8), 3),
        "RNN": Example(lambda: L.RNN(L.LSTMCell(6)), (5, 8)),
        "StackedRNNCells": Example(lambda: L.RNN([L.GRUCell(6), L.SimpleRNNCell(5)]), (5, 8)),
        "Bidirectional": Example(lambda: L.Bidirectional(L.GRU(6, return_state=True)), (5, 8)),
        "TimeDistributed": Example(lambda: L.TimeDistributed(L.Conv1D(6, 3)), (4, 6, 8)),
        "Resizing": Example(lambda: L.Resizing(4, 5), SHAPES["2D"]),
        "CenterCrop": Example(lambda: L.CenterCrop(4, 4), SHAPES["2D"]),
        "RandomCrop": Example(lambda: L.RandomCrop(4, 4), SHAPES["2D"]),
        "Masking": Example(lambda: L.Masking(), (5, 8)),
    }
    for name in ("Conv", "ConvTranspose"):
        for size, shape in SHAPES.items():
            full = f"Conv{size}{name[4:]}"
            found[full] = Example(_maker(full, 6, 3), shape)
    for size in ("1D", "2D"):
        found[f"DepthwiseConv{size}"] = Example(_maker(f"DepthwiseConv{size}", 3, depth_multiplier=2), SHAPES[size])
        found[f"SeparableConv{size}"] = Example(_maker(f"SeparableConv{size}", 6, 3), SHAPES[size])
    for size, shape in SHAPES.items():
        found[f"ConvLSTM{size}"] = Example(_maker(f"ConvLSTM{size}", 4, 2), (3, *shape))
        for name in ("ZeroPadding", "Cropping"):
            found[name + size] = Example(_maker(name + size, 1), shape)
        for name in ("MaxPooling", "AveragePooling", "UpSampling"):
            found[name + size] = Example(_maker(name + size, 2), shape)
        for name in ("GlobalMaxPooling", "GlobalAveragePooling"):
            found[name + size] = Example(_maker(name + size), shape)
        for name in ("AdaptiveMaxPooling", "AdaptiveAveragePooling"):
            found[name + size] = Example(_maker(name + size, 2), shape)
        found[f"SpatialDropout{size}"] = Example(_maker(f"SpatialDropout{size}", 0.2), shape)
    for name in ("LSTM", "GRU", "SimpleRNN"):
        found[name] = Example(_maker(name, 6), (5, 8))
        found[f"{name}Cell"] = Example(_celled(f"{name}Cell"), (5, 8))
    for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"):
        found[name] = Example(_maker(name), inputs=2)
    for name in ("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise"):
        found[name] = Example(_maker(name, 0.2))
    for name in ("ActivityRegularization", "Identity", "ReLU", "ELU", "LeakyReLU"):
        found[name] = Example(_maker(name))
    for name in ("Flip", "Rotation", "Translation", "Zoom", "Shear", "Brightness", "Contrast"):
        settings = {"Flip": (), "Translation": (0.1, 0.1)}.get(name, (0.1,))
        found[f"Random{name}"] = Example(_maker(f"Random{name}", *settings), SHAPES["2D"])
    return {name: example for name, example in found.items() if hasattr(L, name)}


def _maker(name: str, *args: Any, **settings: Any) -> Callable[[], Any]:
    return lambda: getattr(L, name)(*args, **settings)


def _celled(name: str) -> Callable[[], Any]:
    return lambda: L.RNN(getattr(L, name)(6))


def _attend(layer: Any, tensors: list) -> Any:
    return layer(*tensors)


def _exact(tensor: Any) -> bool:
    """Whether a tensor holds integers or truth values."""
    return not str(tensor.dtype).startswith(("float", "bfloat"))
