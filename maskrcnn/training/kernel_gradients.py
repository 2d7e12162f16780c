"""Gradients by convolution kernels as matrix products, where a CPU computes these quicker than as convolutions.

oneDNN runs a convolution and its gradient by the input near the machine's peak, its gradient by the kernel at half of
that on large maps, and at a tenth where channels are no multiple of 16 or where the gradient of a bias is fused into
it. The same sums as products of matrices run near the peak throughout. They are added in another order, so that they
differ in the last digits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from maskrcnn.network.freezing import leaf_layers

_LEAST_SIDE = 32  # of a map whose size is known: below, the zeros between its rows are too large a part
_LEAST_KERNEL = 128 * 128  # channels in times out: below, a step gains less than its tracing costs


@contextlib.contextmanager
def by_matrix_products(network, wanted: bool = True) -> Iterator[None]:
    """What is called meanwhile of a network's convolutions derives by its kernels so, where that is quicker.

    The layers stay as they are: `convolution_op`, which Keras lets a layer replace, is replaced for so long. Answers
    are the same to the bit. Nothing is changed where TensorFlow has a GPU.

    Args:
        network: a Functional model; other models in it are looked through.
        wanted: False: nothing is changed, as for XLA, which has convolutions of its own.
    """
    wanted = wanted and not tf.config.list_logical_devices("GPU")
    layers = [layer for layer in leaf_layers(network) if _suits(layer)] if wanted else []
    for layer in layers:
        vars(layer)["convolution_op"] = _operation(layer)
    try:
        yield
    finally:
        for layer in layers:
            vars(layer).pop("convolution_op", None)


def _suits(layer) -> bool:
    """Whether products are quicker: measured where two of these are true: a bias, one cell, many channels.

    Only convolutions of stride 1 that Keras computes in the usual way, in float32.
    """
    return (
        isinstance(layer, keras.layers.Conv2D)
        and type(layer).convolution_op is keras.layers.Conv2D.convolution_op
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
        and layer.groups == 1
        and set(layer.strides) == set(layer.dilation_rate) == {1}
        and (layer.use_bias + (set(layer.kernel_size) == {1}) + (_size(layer) >= _LEAST_KERNEL)) >= 2
    )


def _size(layer) -> int:
    return layer.kernel.shape[-2] * layer.kernel.shape[-1]


def _operation(layer):
    """A `convolution_op` for a layer."""
    padding, usual = layer.padding.upper(), layer.convolution_op

    @tf.custom_gradient
    def convolve(maps, kernel):
        def backward(slope):
            by_maps = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(maps), filter=kernel, out_backprop=slope, strides=[1] * 4, padding=padding
            )
            return by_maps, kernel_gradient(maps, slope, kernel.shape[:2], padding)

        return tf.nn.conv2d(maps, kernel, 1, padding), backward

    def operation(maps, kernel):
        sides = [side for side in maps.shape[1:3] if side is not None]
        if set(layer.kernel_size) != {1} and min(sides, default=_LEAST_SIDE) < _LEAST_SIDE:
            return usual(maps, kernel)
        return convolve(maps, tf.convert_to_tensor(kernel))

    return operation


def kernel_gradient(maps, slope, size, padding: str):
    """The gradient by the kernel of a convolution of stride 1.

    Args:
        maps: (B, h, w, C) float32, what it reads; slope: (B, h', w', K), the gradient by its answer.
        size: (rows, columns) of the kernel; padding: "SAME" or "VALID".

    Returns:
        (rows, columns, C, K) float32.
    """
    rows, columns = size
    before = ((rows - 1) // 2, (columns - 1) // 2) if padding == "SAME" else (0, 0)
    after = (rows - 1 - before[0], columns - 1 - before[1]) if padding == "SAME" else (0, 0)
    if rows * columns > 1:
        # Both as large as the padded map: a shift along both axes is then one along the list of all cells, which is
        # read in place. What it brings from the next row or picture meets a zero of the slope.
        maps = tf.pad(maps, [[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]])
        slope = tf.pad(slope, [[0, 0], [0, rows - 1], [0, columns - 1], [0, 0]])
    width = tf.shape(maps)[2]
    cells, slopes = tf.reshape(maps, (-1, maps.shape[-1])), tf.reshape(slope, (-1, slope.shape[-1]))
    length = tf.shape(cells)[0]
    shifts = [row * width + column for row in range(rows) for column in range(columns)]
    products = [tf.matmul(cells[shift:], slopes[: length - shift], transpose_a=True) for shift in shifts]
    return tf.reshape(tf.stack(products), (rows, columns, maps.shape[-1], slope.shape[-1]))
