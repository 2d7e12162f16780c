"""Raw operations of a Functional graph (keras.ops): which class answers for which."""

from pruning.layers.activations import Softmax
from pruning.layers.attention import RawAttention
from pruning.layers.keeping import Elementwise, Keep, NotOfZero
from pruning.layers.layer_rule import LayerRule, Locked
from pruning.layers.norms import UnitNorm
from pruning.layers.operations.extending import BroadcastTo, Pad, Repeat, Tile
from pruning.layers.operations.merging import Contract, Divide, Gated, NewAxis, NotOfZeros, Power, Stack, Tie
from pruning.layers.operations.reducing import Along, Reduce
from pruning.layers.operations.reshaping import (
    DepthToSpace,
    ExpandDims,
    MoveAxes,
    Reshape,
    SpaceToDepth,
    Squeeze,
    SwapAxes,
    Transpose,
)
from pruning.layers.operations.selecting import Flip, GetItem, Roll, Slice, Split, Take, Unstack

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
