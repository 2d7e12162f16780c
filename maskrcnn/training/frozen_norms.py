"""Frozen batch norms as a part of the convolutions before them, while a network trains.

A batch norm that does not train multiplies and adds: two passes over the largest maps of the network, and one more in
the gradient. With its scale in the kernel and its shift as a bias, TensorFlow computes all of it, and the ReLU behind
it, in the convolution. Answers differ in the last digits, as the scale is multiplied before the sums, not after them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

import keras
import tensorflow as tf


@contextlib.contextmanager
def norms_in_kernels(network, wanted: bool = True) -> Iterator[None]:
    """What is called meanwhile of a network computes its frozen batch norms so, each behind a convolution of its own.

    The layers stay as they are, and kernels get the gradients that they get otherwise: `convolution_op` and `call` of
    the two layers are replaced for so long.

    Args:
        network: a Functional model; other models in it are looked through.
        wanted: False: nothing is changed.
    """
    with contextlib.ExitStack() as stack:
        for convolution, norm in foldable(network) if wanted else []:
            stack.enter_context(_replaced(convolution, "convolution_op", _scaled(convolution, norm)))
            stack.enter_context(_replaced(norm, "call", _shifted(norm)))
        yield


def foldable(network) -> list[tuple[keras.layers.Conv2D, keras.layers.BatchNormalization]]:
    """Convolutions without bias or activation and the frozen batch norms that alone read them, in pairs."""
    calls: Counter[int] = Counter()
    readers: Counter[int] = Counter(id(tensor) for tensor in network.outputs)
    read_by_norms, pairs, seen, pending = [], [], set(), list(network.outputs)
    while pending:
        operation, node, _ = pending.pop()._keras_history
        if (id(operation), node) in seen:
            continue
        seen.add((id(operation), node))
        calls[id(operation)] += 1
        inputs = operation._inbound_nodes[node].input_tensors
        readers.update(map(id, inputs))
        pending += inputs
        if isinstance(operation, keras.Model) and hasattr(operation, "outputs") and calls[id(operation)] == 1:
            pairs += foldable(operation)
        if _is_frozen(operation):
            read_by_norms.append((inputs[0], operation))
    for tensor, norm in read_by_norms:
        layer = tensor._keras_history.operation
        if _can_scale(layer) and readers[id(tensor)] == calls[id(layer)] == calls[id(norm)] == 1:
            pairs.append((layer, norm))
    return pairs


def _is_frozen(layer) -> bool:
    """Whether it is a batch norm over the last of four axes that computes what Keras's does, and does not train."""
    return (
        isinstance(layer, keras.layers.BatchNormalization)
        and type(layer).call is keras.layers.BatchNormalization.call
        and not layer.trainable
        and layer.axis in (-1, 3)
        and layer.compute_dtype == "float32"
    )


def _can_scale(layer) -> bool:
    return (
        isinstance(layer, keras.layers.Conv2D)
        and type(layer).call is keras.layers.Conv2D.call
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
        and layer.activation is keras.activations.linear
        and not layer.use_bias
    )


def _scale(norm):
    """(C,) float32, what a frozen batch norm multiplies by."""
    scale = tf.math.rsqrt(tf.convert_to_tensor(norm.moving_variance) + norm.epsilon)
    return scale * tf.convert_to_tensor(norm.gamma) if norm.scale else scale


def _scaled(layer, norm):
    convolve = layer.convolution_op  # by now perhaps another than the layer's own

    def operation(maps, kernel):
        return convolve(maps, tf.convert_to_tensor(kernel) * _scale(norm))

    return operation


def _shifted(norm):
    def call(maps, training=None, mask=None):
        shift = -tf.convert_to_tensor(norm.moving_mean) * _scale(norm)
        return tf.nn.bias_add(maps, shift + tf.convert_to_tensor(norm.beta) if norm.center else shift)

    return call


@contextlib.contextmanager
def _replaced(layer, name: str, value) -> Iterator[None]:
    """An attribute of a layer itself, until the end; Keras, which tracks attributes, does not learn of it."""
    before = vars(layer).get(name)
    vars(layer)[name] = value
    try:
        yield
    finally:
        vars(layer).pop(name, None)
        if before is not None:
            vars(layer)[name] = before
