"""Batch norms folded into convolutions: the same maps, and weights as they are when it is called."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from maskrcnn.network.folded_norms import run_folded


def filled(model, seed=0):
    """The model with weights unlike those that it begins with."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        low = 0.5 if "variance" in weight.path else -1.0
        weight.assign(rng.uniform(low, 1.5, weight.shape))
    return model


def pictures(channels=3):
    return tf.constant(np.random.default_rng(1).normal(size=(2, 12, 14, channels)), tf.float32)


def operations(function, inputs):
    graph = tf.function(function).get_concrete_function(inputs).graph
    return [operation.type for operation in graph.get_operations()]


def assert_the_same(model, inputs):
    for found, wanted in zip(
        tf.nest.flatten(run_folded(model, inputs)), tf.nest.flatten(model(inputs, training=False)), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("norm", [{}, {"scale": False}, {"center": False}, {"scale": False, "center": False}])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda bias: layers.Conv2D(6, 3, strides=2, padding="same", use_bias=bias),
        lambda bias: layers.Conv2D(6, 3, dilation_rate=2, groups=3, use_bias=bias),
        lambda bias: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", use_bias=bias),
    ],
)
def test_a_folded_norm_is_what_it_was(make, bias, norm):
    image = keras.Input((None, None, 3))
    x = layers.BatchNormalization(epsilon=0.01, **norm)(make(bias)(image))
    model = filled(keras.Model(image, layers.ReLU(6.0)(x)))
    assert_the_same(model, pictures())
    of_maps = operations(lambda x: run_folded(model, x), pictures())
    assert "BiasAdd" in of_maps and "AddV2" not in of_maps[of_maps.index("BiasAdd") :]


def test_a_map_that_others_read_too_and_a_shared_layer_stay_as_they_are():
    image = keras.Input((None, None, 3))
    conv, shared = layers.Conv2D(4, 1), layers.Conv2D(4, 1)
    read_twice = conv(image)
    normal = layers.BatchNormalization()(read_twice)
    again = layers.BatchNormalization()(shared(normal))
    twice = layers.BatchNormalization()(shared(again))
    seen = layers.Conv2D(4, 1, name="seen")(twice)
    out = layers.BatchNormalization()(seen)
    relu = layers.BatchNormalization()(layers.Conv2D(4, 1, activation="relu")(out))
    model = filled(keras.Model(image, [layers.Add()([read_twice, relu]), seen]))
    assert_the_same(model, pictures())


def test_models_within_models_called_more_than_once():
    inner_input = keras.Input((None, None, 3))
    x = layers.BatchNormalization()(layers.Conv2D(3, 3, padding="same")(inner_input))
    inner = keras.Model(inner_input, [layers.ReLU()(x), x])
    image = keras.Input((None, None, 3))
    first, second = inner(image)
    third, _ = inner(layers.Add()([first, second]))
    model = filled(keras.Model(image, {"a": third, "b": first}))
    assert_the_same(model, pictures())
    assert operations(lambda x: run_folded(model, x), pictures()).count("Conv2D") == 2


def test_a_subclass_and_half_precision_stay_as_they_are():
    class Louder(layers.BatchNormalization):
        def call(self, inputs, training=None, mask=None):
            return 2.0 * super().call(inputs, training=training, mask=mask)

    image = keras.Input((None, None, 3))
    model = filled(keras.Model(image, Louder()(layers.Conv2D(4, 1)(image))))
    assert_the_same(model, pictures())
    half = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 1, dtype="mixed_float16")(half)
    model = filled(keras.Model(half, layers.BatchNormalization(dtype="mixed_float16")(x)))
    np.testing.assert_array_equal(run_folded(model, pictures()), model(pictures(), training=False))


def test_what_is_asked_for_where_a_layer_is_called_holds():
    """In a graph, batch statistics asked for by name stay; within a model how that is called wins, as Keras has it."""
    image = keras.Input((None, None, 3))
    x = layers.BatchNormalization()(layers.Conv2D(4, 1)(image), training=True)
    model = filled(keras.Model(image, layers.Dropout(0.5)(x, training=True)))
    assert_the_same(model, pictures())
    function = keras.Function([image], [x])
    np.testing.assert_allclose(run_folded(function, [pictures()])[0], function([pictures()])[0], rtol=1e-5, atol=1e-5)


def test_weights_count_as_they_are_at_the_call(tiny):
    model = tiny()
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    before = model.detect(picture, score_threshold=0.0)
    norm = next(layer for layer in model.network.get_layer("features").layers if "stem_norm" in layer.name)
    norm.moving_mean.assign(norm.moving_mean + 3.0)
    after = model.detect(picture, score_threshold=0.0)
    assert len(before) != len(after) or np.abs(before.boxes - after.boxes).max() > 1e-3
