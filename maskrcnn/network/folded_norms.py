"""A graph of Keras layers run for inference, batch norms folded into the convolutions before them.

In inference a batch norm multiplies each channel and adds to it; a convolution that does both itself saves two passes
over the map, and TensorFlow then fuses it with its bias and ReLU (Jacob et al. 2018, section 3.2). The weights are read
and scaled at every call, so that whatever changes them counts at once. Sums have another order: maps move by about 1e-5
of their largest value.
"""

from __future__ import annotations

import math
from collections import Counter

import keras
import tensorflow as tf

# Weights of the largest kernel that is scaled at every call: the scaling of a larger one costs what its map saves.
MOST_WEIGHTS = 700_000


def run_folded(function: keras.Function, inputs):
    """What `function(inputs)` is in inference, but for rounding.

    Args:
        function: a keras.Function, or a Functional model; within it too Functional models are run so.
        inputs: as it takes them.
    """
    folded = _pairs(function)

    def instead(operation):
        if operation in folded:
            return folded[operation]
        if isinstance(operation, keras.Function) and _is_functional(operation):
            return lambda inputs, **_: run_folded(operation, inputs)
        if _is_functional(function):
            return lambda *given, **named: operation(*given, **_in_inference(named))
        return operation

    # Keras has no public way to run a graph with other operations in the place of some.
    return function._run_through_graph(inputs, operation_fn=instead)


def _is_functional(function) -> bool:
    """Whether it is a model that runs its graph and no more: a subclass may do anything in its call."""
    return type(function).__qualname__ == "Functional"  # Keras has no public name for the class


def _in_inference(named: dict) -> dict:
    """Arguments of an operation within a model, which passes on how it is called itself, whatever they were before."""
    return named | {"training": False} if "training" in named else named


def _pairs(function) -> dict:
    """What to call in the place of each convolution with a batch norm behind it, and of that batch norm."""
    nodes = [node for same_depth in function._nodes_by_depth.values() for node in same_depth if not node.is_input]
    calls = Counter(node.operation for node in nodes)
    made_by = {id(tensor): node.operation for node in nodes for tensor in node.outputs}
    readers = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    readers.update(id(tensor) for tensor in function.outputs)
    instead: dict = {}
    for node in nodes:
        norm = node.operation
        if type(norm) is not keras.layers.BatchNormalization:
            continue
        source = id(node.input_tensors[0])
        conv = made_by.get(source)
        once = readers[source] == calls[conv] == calls[norm] == 1
        if once and not node.arguments.kwargs.get("training") and _can_fold(conv, norm):
            instead[conv] = _Folded(conv, norm)
            instead[norm] = _as_it_is
    return instead


def _can_fold(conv, norm) -> bool:
    return (
        type(conv) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
        and conv.activation is keras.activations.linear
        and conv.data_format == "channels_last"
        and norm.axis in (-1, 3)
        and conv.dtype_policy.name == norm.dtype_policy.name == "float32"
        and math.prod(conv.kernel.shape) <= MOST_WEIGHTS
    )


def _as_it_is(inputs, **_):
    return inputs


class _Folded:
    """A convolution whose kernel and bias have taken over the batch norm behind it."""

    def __init__(self, conv, norm):
        self._conv, self._norm = conv, norm

    def __call__(self, inputs, **_):
        conv, norm = self._conv, self._norm
        scale = tf.math.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            scale *= norm.gamma
        shift = -tf.convert_to_tensor(norm.moving_mean)
        if conv.use_bias:
            shift += conv.bias
        shift *= scale
        if norm.center:
            shift += norm.beta
        kernel = tf.convert_to_tensor(conv.kernel)
        if isinstance(conv, keras.layers.DepthwiseConv2D):
            kernel *= tf.reshape(scale, kernel.shape[2:])
            found = keras.ops.depthwise_conv(
                inputs, kernel, conv.strides, conv.padding, conv.data_format, conv.dilation_rate
            )
        else:
            found = conv.convolution_op(inputs, kernel * scale)
        return tf.nn.bias_add(found, shift)
