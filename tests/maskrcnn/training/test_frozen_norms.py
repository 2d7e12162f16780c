"""Frozen batch norms in the kernels before them: answers and gradients as without, layers left as they were."""

import keras
import numpy as np
import tensorflow as tf

from maskrcnn.training.frozen_norms import foldable, norms_in_kernels
from maskrcnn.training.kernel_gradients import by_matrix_products

L = keras.layers


def conv_norm(x, name, trainable=False, **options):
    x = L.Conv2D(4, 3, padding="same", use_bias=options.pop("use_bias", False), name=name, **options)(x)
    return L.BatchNormalization(name=f"{name}_norm", trainable=trainable)(x)


def network():
    """Every pair that can be folded, in a nested model too, and every reason why one cannot."""
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    x = L.ReLU()(conv_norm(image, "folded"))
    plain = L.Conv2D(4, 1, use_bias=False, name="read_twice")(x)
    x = L.Add()([plain, L.BatchNormalization(name="read_twice_norm", trainable=False)(plain)])
    x = conv_norm(x, "trains", trainable=True)
    x = conv_norm(x, "bias", use_bias=True)
    x = conv_norm(x, "active", activation="relu")
    shared = L.Conv2D(4, 1, use_bias=False, name="shared")
    x = L.Add()([L.BatchNormalization(name="of_shared", trainable=False)(shared(x)), shared(x)])
    x = L.BatchNormalization(name="of_none", trainable=False)(L.DepthwiseConv2D(3, name="deep")(x))
    inner = keras.Input((None, None, 4))
    nested = keras.Model(inner, L.ReLU()(conv_norm(inner, "inner")), name="nested")
    model = keras.Model(image, L.Add()([nested(x), nested(L.ReLU()(x))]))
    draw = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(draw.uniform(0.5, 1.5, weight.shape))
    return model


def slopes(model, images, training):
    kernels = [weight.value for weight in model.weights if len(weight.shape) == 4]
    with tf.GradientTape() as tape:
        tape.watch([images, *kernels])
        answer = model(images, training=training)
        loss = tf.reduce_sum(tf.sin(answer))
    return [answer, *tape.gradient(loss, [images, *kernels])]


def test_which_pairs_are_folded():
    found = [(conv.name, norm.name) for conv, norm in foldable(network())]
    assert sorted(found) == [("folded", "folded_norm"), ("inner", "inner_norm")]


def test_answers_and_gradients_are_as_without_and_layers_as_before():
    model, images = network(), tf.random.normal((2, 6, 6, 3))
    wanted = slopes(model, images, True)
    model.get_layer("trains_norm").set_weights(network().get_layer("trains_norm").get_weights())
    with by_matrix_products(model), norms_in_kernels(model):
        found = slopes(model, images, True)
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * float(tf.reduce_max(tf.abs(one))))
    assert not any({"call", "convolution_op"} & vars(layer).keys() for layer in model._flatten_layers())


def test_it_follows_the_weights_and_is_one_operation_with_the_relu():
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, L.ReLU()(conv_norm(image, "one")))
    images = tf.random.normal((1, 6, 6, 3))

    @tf.function
    def run(images):
        with norms_in_kernels(model):
            return model(images)

    assert np.allclose(run(images), model(images), atol=1e-5)
    model.get_layer("one_norm").moving_mean.assign(np.full(4, 3.0))
    assert np.allclose(run(images), model(images), atol=1e-5)
    kinds = [node.type for node in run.get_concrete_function(images).graph.get_operations()]
    assert kinds.index("BiasAdd") == kinds.index("Relu") - 1
