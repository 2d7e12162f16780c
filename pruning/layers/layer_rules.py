"""The rules of Keras's own layers and raw operations, registered when `pruning` is imported."""

from typing import Any

import keras
import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.rules import keep, locked, register, rule_of_function

L = keras.layers


def _words(text: str) -> list[str]:
    return text.split()


# Activations that treat every number alone; those that look across channels are locked.
_ELEMENTWISE = _words(
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink softplus softsign sparse_plus sparse_sigmoid "
    "squareplus swish tanh tanh_shrink threshold"
)
_ACROSS = ("softmax", "log_softmax", "sparsemax")


def _activate(call: Call, trace: Trace, channels: np.ndarray | None) -> None:
    """Apply the layer's activation to channels: nothing, a lock, or an error for an unknown function."""
    function = getattr(call.layer, "activation", None)
    if function is None:
        return
    name = getattr(function, "__name__", type(function).__name__)
    own = getattr(keras.activations, name, None) is function
    if own and name in _ELEMENTWISE:
        return
    if own and name in _ACROSS:
        trace.lock(channels, f"{name} over channels ({call.path})")
        return
    if isinstance(function, L.Layer) and type(function) in _KEEPING_TYPES:
        return
    rule = rule_of_function(function)
    if rule is keep:
        return
    if rule is not None:
        trace.lock(channels, f"activation {name} ({call.path})")
        return
    raise ValueError(
        f"layer {call.path!r}: it is not known whether its activation {name!r} treats every channel alone. "
        f'If so, pruning.register({name}, "keep"); if not, pruning.register({name}, "lock")'
    )


def _channels_last(call: Call) -> None:
    found = getattr(call.layer, "data_format", "channels_last")
    if found not in (None, "channels_last"):
        raise ValueError(f"layer {call.path!r} has data_format {found!r}; pruning needs channels_last")


def _conv(call: Call, trace: Trace) -> None:
    """Conv1D/2D/3D: reads on the kernel's last axis but one, makes on its last. Whole groups live or die."""
    _channels_last(call)
    layer, source, output = call.layer, call.inputs[0], call.outputs[0]
    channels = trace.channels(source)
    made = trace.make(call, layer.filters)
    if layer.groups == 1:
        trace.slice(call, "reads", layer.kernel, -2, channels, kernel=True)
    elif channels is not None:
        for inside, outside in zip(
            np.split(channels, layer.groups), np.split(made, layer.groups), strict=True
        ):
            first = outside[:1]
            trace.tie(np.repeat(first, len(inside)), inside)
            trace.tie(np.repeat(first, len(outside)), outside)
    trace.slice(call, "makes", layer.kernel, -1, made, kernel=True)
    trace.slice(call, "makes", layer.bias if layer.use_bias else None, -1, made)
    trace.kernel(call, layer.kernel, (1,) * (len(layer.kernel.shape) - 1) + (-1,), output)
    _activate(call, trace, made)
    trace.give(output, made, call)


def _conv_transpose(call: Call, trace: Trace) -> None:
    """Conv1D/2D/3DTranspose: the kernel is (..., out, in); it is applied at the input's positions."""
    _channels_last(call)
    layer, source, output = call.layer, call.inputs[0], call.outputs[0]
    made = trace.make(call, layer.filters)
    trace.slice(call, "reads", layer.kernel, -1, trace.channels(source), kernel=True)
    trace.slice(call, "makes", layer.kernel, -2, made, kernel=True)
    trace.slice(call, "makes", layer.bias if layer.use_bias else None, -1, made)
    trace.kernel(call, layer.kernel, (1,) * (len(layer.kernel.shape) - 2) + (-1, 1), source)
    _activate(call, trace, made)
    trace.give(output, made, call)


def _dense(call: Call, trace: Trace) -> None:
    layer, source, output = call.layer, call.inputs[0], call.outputs[0]
    made = trace.make(call, layer.units)
    trace.slice(call, "reads", layer.kernel, -2, trace.channels(source), kernel=True)
    trace.slice(call, "makes", layer.kernel, -1, made, kernel=True)
    trace.slice(call, "makes", layer.bias if layer.use_bias else None, -1, made)
    trace.kernel(call, layer.kernel, (1, -1), output)
    _activate(call, trace, made)
    trace.give(output, made, call)


def _depthwise(call: Call, trace: Trace) -> None:
    """DepthwiseConv1D/2D: a filter (or depth_multiplier of them) for every channel."""
    _channels_last(call)
    layer, output = call.layer, call.outputs[0]
    channels = trace.channels(call.inputs[0])
    carried = None if channels is None else np.repeat(channels, layer.depth_multiplier)
    trace.slice(call, "carries", layer.kernel, -2, channels, kernel=True)
    trace.slice(call, "carries", layer.bias if layer.use_bias else None, -1, carried)
    trace.kernel(
        call, layer.kernel, (1,) * (len(layer.kernel.shape) - 2) + tuple(layer.kernel.shape[-2:]), output
    )
    _activate(call, trace, carried)
    trace.give(output, carried, call)


def _separable(call: Call, trace: Trace) -> None:
    """SeparableConv1D/2D: a depthwise kernel carries, a pointwise one reads and makes."""
    _channels_last(call)
    layer, output = call.layer, call.outputs[0]
    channels = trace.channels(call.inputs[0])
    deep, point = layer.depthwise_kernel, layer.pointwise_kernel
    between = None if channels is None else np.repeat(channels, layer.depth_multiplier)
    made = trace.make(call, layer.filters)
    trace.slice(call, "carries", deep, -2, channels, kernel=True)
    trace.slice(call, "reads", point, -2, between, kernel=True)
    trace.slice(call, "makes", point, -1, made, kernel=True)
    trace.slice(call, "makes", layer.bias if layer.use_bias else None, -1, made)
    trace.kernel(call, deep, (), output)
    trace.kernel(call, point, (1,) * (len(point.shape) - 1) + (-1,), output)
    _activate(call, trace, made)
    trace.give(output, made, call)


def _batch_norm(call: Call, trace: Trace) -> None:
    """BatchNormalization: scale, shift and statistics for every channel."""
    layer, source, output = call.layer, call.inputs[0], call.outputs[0]
    channels = trace.channels(source)
    if layer.axis not in (-1, len(source.shape) - 1):
        trace.lock(channels, f"batch norm over axis {layer.axis} ({call.path})")
        trace.give(output, channels, call)
        return
    trace.slice(call, "carries", layer.gamma if layer.scale else None, -1, channels)
    trace.slice(call, "carries", layer.beta if layer.center else None, -1, channels)
    # Without a scale, what is silent comes out as (0 - mean) / std: the mean has to go as well.
    trace.slice(call, "carries", layer.moving_mean, -1, channels, zero=not layer.scale)
    trace.slice(call, "carries", layer.moving_variance, -1, channels, zero=False)
    trace.scale(call)
    trace.give(output, channels, call)


def _layer_scale(call: Call, trace: Trace) -> None:
    """ConvNeXt's LayerScale: one factor for every channel."""
    channels = trace.channels(call.inputs[0])
    trace.slice(call, "carries", call.layer.gamma, -1, channels)
    trace.give(call.outputs[0], channels, call)


def _prelu(call: Call, trace: Trace) -> None:
    channels = trace.channels(call.inputs[0])
    shared = call.layer.alpha.shape[-1] == 1
    trace.slice(call, "carries", call.layer.alpha, -1, None if shared else channels, zero=False)
    trace.give(call.outputs[0], channels, call)


def _activation(call: Call, trace: Trace) -> None:
    channels = trace.channels(call.inputs[0])
    _activate(call, trace, channels)
    trace.give(call.outputs[0], channels, call)


def _reshape(call: Call, trace: Trace) -> None:
    """Reshape: an output width that is a multiple of the channels holds whole positions; else locked."""
    source, output = call.inputs[0], call.outputs[0]
    channels, width = trace.channels(source), output.shape[-1]
    if channels is not None and width is not None and width % len(channels) == 0:
        trace.give(output, np.tile(channels, width // len(channels)), call)
        return
    trace.lock(channels, f"{call.path} mixes channels and positions")
    trace.opaque(call, output, f"made by {call.path}")


def _permute(call: Call, trace: Trace) -> None:
    channels = trace.channels(call.inputs[0])
    if call.layer.dims[-1] == len(call.layer.dims):
        trace.give(call.outputs[0], channels, call)
        return
    trace.lock(channels, f"{call.path} moves the channel axis")
    trace.opaque(call, call.outputs[0], f"made by {call.path}")


def _rescaling(call: Call, trace: Trace) -> None:
    channels = trace.channels(call.inputs[0])
    if np.size(call.layer.scale) > 1 or np.size(call.layer.offset) > 1:
        trace.lock(channels, f"{call.path} scales every channel by a constant of its own")
    trace.give(call.outputs[0], channels, call)


def _softmax(call: Call, trace: Trace) -> None:
    channels, rank = trace.channels(call.inputs[0]), len(call.inputs[0].shape)
    axes = np.atleast_1d(call.layer.axis)
    if any(axis in (-1, rank - 1) for axis in axes):
        trace.lock(channels, f"softmax over channels ({call.path})")
    trace.give(call.outputs[0], channels, call)


def _reduce(call: Call, trace: Trace) -> None:
    """ops.mean, sum, max over positions; over the channel axis it locks."""
    source, output = call.inputs[0], call.outputs[0]
    channels, rank = trace.channels(source), len(source.shape)
    axis = call.layer.axis
    axes = range(rank) if axis is None else [int(a) % rank for a in np.atleast_1d(axis)]
    if rank - 1 in axes:
        trace.lock(channels, f"{call.path} reduces over channels")
        trace.opaque(call, output, f"made by {call.path}")
    else:
        trace.give(output, channels, call)


def _kinds(names: str) -> list[Any]:
    return [getattr(L, name) for name in names.split() if hasattr(L, name)]


_dimensions = " ".join(
    f"MaxPooling{d} AveragePooling{d} GlobalMaxPooling{d} GlobalAveragePooling{d} AdaptiveMaxPooling{d} "
    f"AdaptiveAveragePooling{d} ZeroPadding{d} Cropping{d} UpSampling{d} SpatialDropout{d}"
    for d in ("1D", "2D", "3D")
)
_KEEPING_TYPES = _kinds(
    f"{_dimensions} Dropout AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Identity "
    "Masking ReLU ELU LeakyReLU Resizing CenterCrop RandomCrop RandomFlip RandomRotation RandomTranslation "
    "RandomZoom RandomShear RandomBrightness RandomContrast"
)


def _register_all() -> None:
    for kind in _KEEPING_TYPES:
        register(kind, "keep")
    for kind in _kinds("Add Subtract Multiply Average Maximum Minimum"):
        register(kind, "tie")
    register(L.Concatenate, "stack")
    register(L.Flatten, "spread")
    for kind in _kinds("Conv1D Conv2D Conv3D"):
        register(kind, _conv)
    for kind in _kinds("Conv1DTranspose Conv2DTranspose Conv3DTranspose"):
        register(kind, _conv_transpose)
    for kind in _kinds("DepthwiseConv1D DepthwiseConv2D"):
        register(kind, _depthwise)
    for kind in _kinds("SeparableConv1D SeparableConv2D"):
        register(kind, _separable)
    register(L.Dense, _dense)
    register(L.BatchNormalization, _batch_norm)
    register(L.PReLU, _prelu)
    register(L.Activation, _activation)
    register(L.Softmax, _softmax)
    register(L.Reshape, _reshape)
    register(L.Permute, _permute)
    register(L.Rescaling, _rescaling)
    for kind in _kinds("LayerNormalization GroupNormalization RMSNormalization UnitNormalization"):
        register(kind, locked("normalised over channels, whose statistics would change"))
    register(L.Normalization, locked("normalised by constants"))
    for kind in _kinds("Attention AdditiveAttention MultiHeadAttention GroupQueryAttention"):
        register(kind, locked("attention"))
    for kind in _kinds("Embedding LSTM GRU SimpleRNN ConvLSTM1D ConvLSTM2D ConvLSTM3D"):
        register(kind, locked("pruning its channels is not supported"))
    # Layers that only the models of keras.applications have; they are not exported.
    register("keras.applications.convnext.LayerScale", _layer_scale)
    register("keras.applications.convnext.StochasticDepth", "keep")
    register("keras.applications.inception_resnet_v2.CustomScaleLayer", "tie")
    for name in _words("Add Subtract Multiply Divide TrueDivide Maximum Minimum"):
        register(f"keras.ops.numpy.{name}", "tie")
    for name in _words("Abs Absolute Negative Square Sqrt Exp Tanh Clip"):
        register(f"keras.ops.numpy.{name}", "keep")
    for name in _words(
        "Relu Relu6 Sigmoid Silu Elu Selu Celu Gelu HardSigmoid HardSilu HardTanh LeakyRelu LogSigmoid "
        "Softplus Softsign MaxPool AveragePool"
    ):
        register(f"keras.ops.nn.{name}", "keep")
    for name in _words("Softmax LogSoftmax"):
        register(f"keras.ops.nn.{name}", _softmax)
    for name in _words("Mean Sum Max Min"):
        register(f"keras.ops.numpy.{name}", _reduce)
    register("keras.ops.numpy.Concatenate", "stack")
    register("keras.ops.numpy.Reshape", _reshape)
    register("keras.ops.image.Resize", "keep")
    register("keras.ops.math.Rsqrt", "keep")


_register_all()
