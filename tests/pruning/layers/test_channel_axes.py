"""Channels on other axes than the last: channels first, moved axes, mixed formats."""

import keras
import numpy as np
import pytest

import pruning
from pruning.costs.model_cost import without
from pruning.layers.convolutions import _takes_width_for_channels

L = keras.layers
FIRST = {"data_format": "channels_first"}


def test_a_network_with_channels_first(nets, holds):
    image = keras.Input((3, 10, 10), name="image")
    x = L.ZeroPadding2D(1, name="pad", **FIRST)(image)
    x = stem = L.Conv2D(8, 3, padding="same", use_bias=False, name="conv", **FIRST)(x)
    x = L.ReLU(name="relu")(L.BatchNormalization(axis=1, name="norm")(x))
    x = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="deep", **FIRST)(x)
    x = L.Add(name="add")([L.Conv2D(8, 1, name="back", **FIRST)(x), stem])
    x = L.SeparableConv2D(6, 3, name="separable", **FIRST)(L.MaxPooling2D(2, name="pool", **FIRST)(x))
    x = L.Concatenate(axis=1, name="both")([x, L.PReLU(shared_axes=[2, 3], name="prelu")(x)])
    x = L.Conv2DTranspose(4, 2, strides=2, name="up", **FIRST)(x)
    x = L.SpatialDropout2D(0.2, name="drop", **FIRST)(L.UpSampling2D(2, name="larger", **FIRST)(x))
    x = L.Dense(5, activation="relu", name="dense")(L.Flatten(name="flat", **FIRST)(x))
    model = nets.shake(keras.Model(image, L.Dense(3, name="end")(x)))
    holds(model, expect=["conv", "separable", "up", "dense"])


def test_channels_first_costs_what_channels_last_does():
    def network(shape, axis, **settings):
        image = keras.Input(shape)
        x = L.Conv2D(8, 3, strides=2, name="conv", **settings)(image)
        x = L.SeparableConv2D(6, 3, name="separable", **settings)(L.BatchNormalization(axis=axis)(x))
        x = L.Conv2DTranspose(4, 2, strides=2, name="up", **settings)(x)
        return keras.Model(image, L.Dense(2, name="end")(L.GlobalMaxPooling2D(**settings)(x)))

    one, other = network((3, 12, 14), 1, **FIRST), network((12, 14, 3), -1)
    assert pruning.cost(one).macs == pruning.cost(other).macs > 0


@pytest.mark.parametrize(
    ("layer", "free"),
    [
        (lambda: L.Flatten(**FIRST), True),
        (lambda: L.AveragePooling2D(3, 1, "same", **FIRST), False),
        (lambda: L.MaxPooling2D(3, 1, "same", **FIRST), False),
        (lambda: L.UpSampling2D(2, **FIRST), False),
        (lambda: L.ZeroPadding2D(1, **FIRST), False),
        (lambda: L.Cropping2D(1, **FIRST), False),
        (lambda: L.GlobalMaxPooling2D(**FIRST), False),
        (lambda: L.DepthwiseConv2D(3, **FIRST), False),
        (lambda: lambda t: keras.ops.average_pool(t, 3, 1, "same", **FIRST), False),
        (lambda: lambda t: keras.ops.max_pool(t, 2, 1, "same", **FIRST), False),
        (lambda: L.BatchNormalization(axis=1), False),
        (lambda: L.Permute((3, 1, 2)), True),
        (lambda: L.Permute((2, 1, 3)), True),
        (lambda: L.Softmax(axis=1), True),
    ],
)
def test_a_layer_of_the_other_format_is_followed_or_locks(nets, holds, layer, free):
    image = keras.Input((6, 5, 3), name="image")
    x = L.Conv2D(4, 1, activation="relu", name="before")(L.Conv2D(8, 3, padding="same", name="conv")(image))
    x = L.Flatten(name="last_flat")(layer()(x))
    model = nets.shake(keras.Model(image, L.Dense(3, name="end")(x)))
    graph = holds(model)
    assert (graph.group_of("before").locked is None) is free


def test_a_dense_layer_passes_channels_on_other_axes(nets, holds):
    words = keras.Input((7, 8), name="words")
    x = L.Conv1D(6, 3, padding="same", name="conv")(words)
    x = L.Permute((2, 1), name="turned")(x)
    x = L.Dense(9, activation="gelu", name="mix")(x)
    x = L.Permute((2, 1), name="back")(L.Dense(7, name="unmix")(x))
    x = L.GlobalAveragePooling1D(name="mean")(L.Dense(5, name="narrow")(x))
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(x)))
    graph = holds(model, expect=["conv", "mix", "narrow"])
    gone = {"conv": np.arange(6) < 2}
    saved = pruning.cost(model).macs - without(graph.again(input_shapes=(1, 7, 8)), gone).macs
    assert saved == 2 * (7 * 3 * 8 + 7 * 9 + 9 * 7 + 7 * 5)  # what makes two channels, mixes and reads them


@pytest.mark.parametrize("target", [(6, 40), (30, 8), (2, 3, 40), (240,), (10, 3, 8), (6, 5, 2, 4), (80, 3), (48, 5)])
def test_a_reshape_is_followed_or_locks(nets, holds, target):
    image = keras.Input((6, 5, 3), name="image")
    x = L.Conv2D(8, 1, name="conv")(L.Conv2D(4, 3, padding="same", name="first")(image))
    x = L.Dense(4, name="reader")(L.Reshape(target, name="folded")(x))
    model = nets.shake(keras.Model(image, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
    graph = holds(model)
    assert (graph.group_of("conv").locked is None) is (target[-1] % 4 == 0)  # in whole blocks too


def biased_first(make, width):
    """A network whose second layer holds channels first, with a bias that is not zero."""
    image = keras.Input((3, 6, width), name="image")
    x = L.Conv2D(8, 1, use_bias=False, name="conv", **FIRST)(image)
    x = make(name="biased", bias_initializer="random_normal", **FIRST)(x)
    return keras.Model(image, L.Conv2D(3, 1, use_bias=False, name="end", **FIRST)(x))


BIASED = {
    "Conv2D": lambda **settings: L.Conv2D(8, 1, **settings),
    "Conv2DTranspose": lambda **settings: L.Conv2DTranspose(8, 1, **settings),
    "DepthwiseConv2D": lambda **settings: L.DepthwiseConv2D(1, **settings),
    "SeparableConv2D": lambda **settings: L.SeparableConv2D(8, 1, **settings),
}


@pytest.mark.skipif(not _takes_width_for_channels(), reason="this Keras adds the bias along the channels")
@pytest.mark.parametrize("kind", BIASED)
def test_where_keras_adds_a_bias_along_the_width(kind, nets, holds):
    graph = pruning.ChannelGraph(biased_first(BIASED[kind], width=8))
    locked = [group for group in graph.groups if "biased" in str(group) or group.name == "biased"]
    assert "biased" not in {group.name for group in graph.prunable}
    assert locked and any("along the width" in str(row) for row in graph.report().rows)
    model = biased_first(BIASED[kind], width=4)  # eight channels, of which half would be four
    graph = pruning.ChannelGraph(model)
    with pytest.raises(ValueError, match="biased.*along the width"):
        pruning.remove(graph, pruning.plan(graph, pruning.Random(1)(graph), 0.5))
    holds(model, sparsity=0.25)
