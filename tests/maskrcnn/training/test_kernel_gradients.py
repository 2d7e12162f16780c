"""Gradients by kernels as matrix products: TensorFlow's up to the order of sums, and layers left as they were."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maskrcnn.training import kernel_gradients
from maskrcnn.training.kernel_gradients import by_matrix_products


def network(side=None, **options):
    image = keras.Input((side, side, 5))
    x = keras.layers.Conv2D(7, name="first", **options)(image)
    inner = keras.Input((None, None, 7))
    nested = keras.Model(inner, keras.layers.Conv2D(3, 1, activation="relu", name="second")(inner), name="nested")
    return keras.Model(image, nested(x))


def slopes(model, images, replaced):
    """Answer, and gradients by the pictures and all weights."""
    values = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(images)
        if replaced:
            with by_matrix_products(model):
                answer = model(images)
        else:
            answer = model(images)
        loss = tf.reduce_sum(answer * tf.cos(tf.reshape(tf.range(tf.size(answer), dtype=tf.float32), answer.shape)))
    return answer, tape.gradient(loss, [images, *values])


@pytest.mark.parametrize(
    ("padding", "kernel_size", "shape"),
    [("same", 1, (2, 34, 39)), ("valid", 3, (2, 34, 39)), ("same", (2, 5), (3, 5, 6)), ("valid", (2, 5), (3, 5, 6))],
)
def test_gradients_are_tensorflows_and_answers_the_same_to_the_bit(monkeypatch, padding, kernel_size, shape):
    monkeypatch.setattr(kernel_gradients, "_LEAST_KERNEL", 1)
    keras.utils.set_random_seed(0)
    model = network(kernel_size=kernel_size, padding=padding, activation="tanh")
    images = tf.random.normal((*shape, 5))
    answer, usual = slopes(model, images, False)
    again, found = slopes(model, images, True)
    np.testing.assert_array_equal(answer, again)
    for one, other in zip(usual, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5 * float(tf.reduce_max(tf.abs(one))))


def test_which_convolutions_are_replaced_and_that_they_are_given_back():
    class Own(keras.layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, 2 * kernel)

    cases = {
        "one_cell": (keras.layers.Conv2D(4, 1), True),
        "wide": (keras.layers.Conv2D(128, 1), True),
        "large": (keras.layers.Conv2D(128, 3), True),
        "one_cell_no_bias": (keras.layers.Conv2D(128, 1, use_bias=False), True),
        "large_no_bias": (keras.layers.Conv2D(4, 3, use_bias=False), False),
        "small": (keras.layers.Conv2D(4, 3), False),
        "strided": (keras.layers.Conv2D(4, 1, strides=2), False),
        "dilated": (keras.layers.Conv2D(4, 3, dilation_rate=2), False),
        "grouped": (keras.layers.Conv2D(4, 1, groups=2), False),
        "half": (keras.layers.Conv2D(4, 1, dtype="mixed_bfloat16"), False),
        "own": (Own(4, 1), False),
        "depthwise": (keras.layers.DepthwiseConv2D(1), False),
        "transposed": (keras.layers.Conv2DTranspose(4, 1), False),
    }
    x = image = keras.Input((64, 64, 4))
    for layer, _ in cases.values():
        x = layer(x)
    model = keras.Model(image, x)
    with pytest.raises(KeyError, match="inside"), by_matrix_products(model):
        assert {name: "convolution_op" in vars(layer) for name, (layer, _) in cases.items()} == {
            name: wanted for name, (_, wanted) in cases.items()
        }
        raise KeyError("inside")
    assert not any("convolution_op" in vars(layer) for layer, _ in cases.values())


def test_a_small_map_of_known_size_keeps_the_usual_gradient(monkeypatch):
    monkeypatch.setattr(kernel_gradients, "_LEAST_KERNEL", 1)
    for side, wanted in ((14, False), (40, True)):
        model = network(side, kernel_size=3, padding="same")
        images = tf.zeros((1, side, side, 5))
        with by_matrix_products(model):
            kernel = model.get_layer("first").kernel.value
            slope = tf.function(lambda images, model=model, kernel=kernel: tf.gradients(model(images), kernel)[0])
            nodes = slope.get_concrete_function(images).graph.get_operations()
        assert any(node.type == "Conv2DBackpropFilter" for node in nodes) is not wanted
