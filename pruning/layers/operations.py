"""Raw operations of a Functional graph (keras.ops): which class answers for which; reductions and repetitions."""

from typing import Any

import numpy as np

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.activations import Softmax
from pruning.layers.keeping import Elementwise, Keep, NotOfZero
from pruning.layers.layer_rule import Kept, LayerRule, Locked, Weightless, axes_of, sum_over
from pruning.layers.merging import Contract, Divide, NewAxis, NotOfZeros, Power, Stack, Tie
from pruning.layers.norms import UnitNorm
from pruning.layers.reshaping import (
    DepthToSpace,
    ExpandDims,
    MoveAxes,
    Reshape,
    SpaceToDepth,
    Squeeze,
    SwapAxes,
    Transpose,
)
from pruning.layers.selecting import Flip, GetItem, Roll, Slice, Split, Take, Unstack


class Reduce(Weightless):
    """mean, sum, max, min: over positions channels pass; what is reduced itself is locked.

    Args:
        root: whether it has no gradient where everything is zero (a norm, a standard deviation).
        adds: whether zeros add nothing to it.
    """

    def __init__(self, root: bool = False, adds: bool = False) -> None:
        self._root, self._adds = root, adds

    def channels(self, call: Call, trace: Trace) -> None:
        source, rank = call.inputs[0], len(call.inputs[0].shape)
        over = set(range(rank)) if (axes := axes_of(call.layer)) is None else {axis % rank for axis in axes}
        for output in call.outputs:
            if rank - 1 not in over:
                trace.give(output, None, call)
            for place, channels in trace.axes(source).items():
                if place in over and self._adds:
                    sum_over(call, trace, source, place)
                    continue
                if place in over:
                    trace.lock(channels, f"{call.path} reduces over channels")
                    continue
                if self._root:
                    trace.spare(channels)
                keeps = getattr(call.layer, "keepdims", False)
                trace.give(output, channels, call, place - (0 if keeps else sum(other < place for other in over)))


class Along(Weightless):
    """Sums, sorting, norms along an axis that stays: other axes' channels pass, its own are locked.

    Args:
        axes: those it looks along, where the operation names none.
    """

    def __init__(self, axes: tuple[int, ...] | None = None) -> None:
        self._axes = axes

    def channels(self, call: Call, trace: Trace) -> None:
        rank = len(call.inputs[0].shape)
        along = self._axes or axes_of(call.layer) or range(rank)
        for output in call.outputs:
            trace.give(output, None, call)
            for place, channels in trace.axes(call.inputs[0]).items():
                if place in {axis % rank for axis in along}:
                    trace.lock(channels, f"{call.path} looks along channels")
                if place < len(output.shape) and output.shape[place] == len(channels):
                    trace.give(output, channels, call, place)


class Repeat(Weightless):
    """repeat: every channel of the axis several times, one number of times or one for each."""

    def channels(self, call: Call, trace: Trace) -> None:
        output, along = call.outputs[0], call.layer.axis
        trace.give(output, None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            if along is None:
                trace.lock(channels, f"{call.path} mixes channels and positions")
                continue
            if axis == along % len(output.shape):
                channels = np.repeat(channels, np.asarray(call.layer.repeats))
            trace.give(output, channels, call, axis)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        times, axis = np.atleast_1d(call.layer.repeats), call.layer.axis
        stays = None if axis is None else kept(call.inputs[0], axis)
        if stays is not None and len(times) > 1:
            config["repeats"] = times[stays].tolist()


class Tile(Weightless):
    """tile: all channels of an axis several times."""

    def channels(self, call: Call, trace: Trace) -> None:
        output, rank = call.outputs[0], len(call.inputs[0].shape)
        trace.give(output, None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            length = output.shape[axis - rank]
            trace.give(output, np.tile(channels, length // len(channels)), call, axis - rank)


class BroadcastTo(Weightless):
    """broadcast_to: channels pass; a single one that becomes several is locked."""

    def channels(self, call: Call, trace: Trace) -> None:
        output, rank = call.outputs[0], len(call.inputs[0].shape)
        trace.give(output, None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            if output.shape[axis - rank] == len(channels):
                trace.give(output, channels, call, axis - rank)
            else:
                trace.lock(channels, f"{call.path} broadcasts it over channels")

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        shape = list(config["shape"])
        for axis in range(-len(shape), 0):
            stays = kept(call.outputs[0], axis)
            shape[axis] = shape[axis] if stays is None else int(stays.sum())
        config["shape"] = shape


class Pad(Weightless):
    """pad: constants before and after an axis's channels are channels too, of which as many go as what they join."""

    def channels(self, call: Call, trace: Trace) -> None:
        output = call.outputs[0]
        trace.give(output, None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            before, after = _widths(call)[axis]
            if (before or after) and call.layer.mode != "constant":
                trace.lock(channels, f"{call.path} pads channels with channels")
                continue
            first, last = (
                trace.make(call, count, f"{side}{axis}") if count else channels[:0]
                for count, side in ((before, "before"), (after, "after"))
            )
            trace.give(output, np.concatenate([first, channels, last]), call, axis)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        widths = _widths(call)
        for axis, (before, after) in enumerate(widths):
            stays = kept(call.outputs[0], axis)
            if stays is not None and (before or after):
                widths[axis] = [int(stays[:before].sum()), int(stays[len(stays) - after :].sum())]
        if widths != _widths(call):
            config["pad_width"] = widths


def _widths(call: Call) -> list[list[int]]:
    """[before, after] for every axis."""
    stated, rank = call.layer.pad_width, len(call.inputs[0].shape)
    every = [stated[0]] * rank if len(stated) == 1 else stated
    return [[int(each[0]), int(each[-1])] for each in every]


class Gated(Weightless):
    """glu: the second half of an axis gates the first; both halves live or die together."""

    def channels(self, call: Call, trace: Trace) -> None:
        along = call.layer.axis % len(call.inputs[0].shape)
        trace.give(call.outputs[0], None, call)
        for axis, channels in trace.axes(call.inputs[0]).items():
            half = len(channels) // 2
            if axis == along:
                trace.tie(channels[:half], channels[half:])
                channels = channels[:half]
            trace.give(call.outputs[0], channels, call, axis)


class RawAttention(Locked):
    """dot_product_attention of (B, T, heads, size) tensors, kept whole: queries with keys, and the weighted values."""

    def macs(self, call: Call, sizes: Any) -> int:
        query, key = call.inputs[:2]
        return 2 * sizes(query) * int(key.shape[1])


_BY_ITSELF = "its output holds numbers, not channels"

# Names that this version of Keras lacks do no harm: nothing is looked up by them.
OPERATIONS: list[tuple[LayerRule, str, str]] = [
    (
        Elementwise(),
        "keras.ops.numpy",
        "Abs Absolute Fabs Negative Sign Signbit Square Exp Exp2 Expm1 Log1p Clip Round Floor Ceil Trunc Sin Cos Tan "
        "Sinc Sinh Cosh Tanh Arcsin Arccos Arctan Arcsinh Arctanh Deg2rad Rad2deg I0 NanToNum Copy Real Imag Conj "
        "Conjugate Isfinite Isinf Isnan Isneginf Isposinf Isreal LogicalNot BitwiseNot BitwiseInvert OnesLike "
        "ZerosLike",
    ),
    (NotOfZero(), "keras.ops.numpy", "Reciprocal Log Log2 Log10 Sqrt Cbrt Arccosh Angle"),
    (Elementwise(), "keras.ops.math", "Erf Erfc Erfinv"),
    (NotOfZero(), "keras.ops.math", "Rsqrt"),
    (Elementwise(), "keras.ops.core", "Cast SaturateCast ConvertToTensor StopGradient"),
    (
        Elementwise(),
        "keras.ops.nn",
        "Relu Relu6 Sigmoid SparseSigmoid Silu Squareplus Elu Selu Celu Gelu HardSigmoid HardSilu HardTanh HardShrink "
        "LeakyRelu LogSigmoid SoftShrink Softplus Softsign SparsePlus TanhShrink Threshold",
    ),
    (
        Tie(),
        "keras.ops.numpy",
        "Add Subtract Multiply DivideNoNan Maximum Minimum Fmax Fmin Where Select Heaviside Ldexp Logaddexp Logaddexp2 "
        "Nextafter Gcd Lcm Equal NotEqual Greater GreaterEqual Less LessEqual Isclose LogicalAnd LogicalOr LogicalXor "
        "BitwiseAnd BitwiseOr BitwiseXor BitwiseLeftShift BitwiseRightShift LeftShift RightShift FullLike",
    ),
    (Divide(), "keras.ops.numpy", "Divide TrueDivide FloorDivide Mod Fmod"),
    (Power(), "keras.ops.numpy", "Power"),
    (NotOfZeros(), "keras.ops.numpy", "Hypot Arctan2"),
    (Keep(), "keras.ops.nn", "MaxPool AveragePool AdaptiveMaxPool AdaptiveAveragePool"),
    (Keep(), "keras.ops.image", "Resize PadImages CropImages GaussianBlur AffineTransform PerspectiveTransform"),
    (Softmax(), "keras.ops.nn", "Softmax LogSoftmax Sparsemax"),
    (
        Reduce(),
        "keras.ops.numpy",
        "Mean Max Min Amax Amin Any All Average Prod Var Median Ptp Argmax Argmin Nanmax Nanmean "
        "Nanmin Nanprod Nanvar Nanmedian Nanargmax Nanargmin",
    ),
    (Reduce(adds=True), "keras.ops.numpy", "Sum Nansum CountNonzero"),
    (Reduce(root=True), "keras.ops.numpy", "Std Nanstd"),
    (Reduce(root=True), "keras.ops.linalg", "Norm"),
    (Reduce(), "keras.ops.math", "Logsumexp"),
    (Reduce(), "keras.ops.nn", "Moments"),
    (
        Along(),
        "keras.ops.numpy",
        "Cumsum Cumprod Nancumsum Nancumprod Diff Sort Argsort Argpartition ArraySplit Rot90",
    ),
    (UnitNorm(), "keras.ops.nn", "Normalize"),
    (Along((-2, -1)), "keras.ops.numpy", "Tril Triu"),
    (Along((-1,)), "keras.ops.math", "TopK"),
    (Split(), "keras.ops.numpy", "Split"),
    (Split(1), "keras.ops.numpy", "Hsplit"),
    (Split(0), "keras.ops.numpy", "Vsplit"),
    (Split(2), "keras.ops.numpy", "Dsplit"),
    (Unstack(), "keras.ops.core", "Unstack"),
    (Stack(), "keras.ops.numpy", "Concatenate Append"),
    (Stack(1), "keras.ops.numpy", "Hstack"),
    (Stack(0), "keras.ops.numpy", "Vstack"),
    (Stack(2), "keras.ops.numpy", "Dstack"),
    (NewAxis(), "keras.ops.numpy", "Stack"),
    (Reshape(), "keras.ops.numpy", "Reshape"),
    (Transpose(), "keras.ops.numpy", "Transpose"),
    (SwapAxes(), "keras.ops.numpy", "Swapaxes"),
    (MoveAxes(), "keras.ops.numpy", "Moveaxis"),
    (ExpandDims(), "keras.ops.numpy", "ExpandDims"),
    (Squeeze(), "keras.ops.numpy", "Squeeze"),
    (DepthToSpace(), "keras.ops.nn", "DepthToSpace"),
    (SpaceToDepth(), "keras.ops.nn", "SpaceToDepth"),
    (SpaceToDepth(), "keras.ops.image", "ExtractPatches"),
    (GetItem(), "keras.ops.numpy", "GetItem"),
    (Slice(), "keras.ops.core", "Slice"),
    (Take(), "keras.ops.numpy", "Take"),
    (Flip(), "keras.ops.numpy", "Flip"),
    (Flip(1), "keras.ops.numpy", "Fliplr"),
    (Flip(0), "keras.ops.numpy", "Flipud"),
    (Roll(), "keras.ops.numpy", "Roll"),
    (Repeat(), "keras.ops.numpy", "Repeat"),
    (Tile(), "keras.ops.numpy", "Tile"),
    (BroadcastTo(), "keras.ops.numpy", "BroadcastTo"),
    (Pad(), "keras.ops.numpy", "Pad"),
    (Gated(), "keras.ops.nn", "Glu"),
    (Contract(), "keras.ops.numpy", "Matmul Einsum Dot Tensordot Inner"),
    (RawAttention("attention"), "keras.ops.nn", "DotProductAttention"),
    (Locked(_BY_ITSELF), "keras.ops.nn", "OneHot MultiHot"),
    (Locked(_BY_ITSELF), "keras.ops.numpy", "Bincount Digitize Histogram SearchSorted Nonzero Size Ndim UnravelIndex"),
    (Locked("mixes channels"), "keras.ops.image", "RGBToGrayscale RGBToHSV HSVToRGB"),
    (Locked("mixes channels and positions"), "keras.ops.nn", "Fold Unfold"),
    (Locked("mixes channels and positions"), "keras.ops.numpy", "Ravel"),
]
