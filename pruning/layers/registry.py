"""Which class answers for which layer type: one table, and what users register."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import keras

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.activations import Activation, PReLU, Softmax
from pruning.layers.attention import GroupedQueryAttention, MultiHeadAttention, VectorAttention
from pruning.layers.convolutions import Conv, ConvTranspose, Depthwise, Separable
from pruning.layers.dense import Dense, EinsumDense
from pruning.layers.embedding import Embedding, ReversibleEmbedding
from pruning.layers.keeping import Elementwise, Keep
from pruning.layers.layer_rule import FunctionRule, LayerRule, Locked
from pruning.layers.norms import ACROSS_CHANNELS, BY_CONSTANTS, BatchNorm, GroupNorm, LayerScale, Rescaling, UnitNorm
from pruning.layers.operations.merging import Stack, Tie
from pruning.layers.operations.reshaping import Flatten, Permute, Reshape
from pruning.layers.operations.table import OPERATIONS
from pruning.layers.recurrent import Cell, ConvRecurrent, Recurrent
from pruning.layers.wrappers import RNN, Bidirectional, SpectralNormalization, StackedCells, TimeDistributed

NAMED: dict[str, LayerRule] = {
    "keep": Keep(),
    "tie": Tie(),
    "stack": Stack(),
    "spread": Flatten(),
    "lock": Locked(),
}

_SIZES = ("1D", "2D", "3D")


def _sized(names: str) -> str:
    """The names with each number of dimensions."""
    return " ".join(name + size for name in names.split() for size in _SIZES)


# Names that this version of Keras lacks are left out.
_LAYERS: list[tuple[LayerRule, str]] = [
    (Conv(), _sized("Conv")),
    (ConvTranspose(), "Conv1DTranspose Conv2DTranspose Conv3DTranspose"),
    (Depthwise(), _sized("DepthwiseConv")),
    (Separable(), _sized("SeparableConv")),
    (Dense(), "Dense"),
    (EinsumDense(), "EinsumDense"),
    (BatchNorm(), "BatchNormalization"),
    (Rescaling(), "Rescaling"),
    (GroupNorm(), "GroupNormalization"),
    (UnitNorm(), "UnitNormalization"),
    (ACROSS_CHANNELS, "LayerNormalization RMSNormalization"),
    (BY_CONSTANTS, "Normalization"),
    (Activation(), "Activation"),
    (PReLU(), "PReLU"),
    (Softmax(), "Softmax"),
    (
        Keep(),
        _sized(
            "MaxPooling AveragePooling GlobalMaxPooling GlobalAveragePooling AdaptiveMaxPooling "
            "AdaptiveAveragePooling ZeroPadding Cropping UpSampling SpatialDropout"
        )
        + " RepeatVector Resizing CenterCrop RandomCrop RandomFlip RandomRotation RandomTranslation RandomZoom "
        "RandomShear RandomBrightness RandomContrast",
    ),
    (
        Elementwise(),
        "Dropout AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Identity Masking ReLU ELU LeakyReLU",
    ),
    (Tie(), "Add Subtract Multiply Average Maximum Minimum"),
    (Stack(), "Concatenate"),
    (Flatten(), "Flatten"),
    (Reshape(), "Reshape"),
    (Permute(), "Permute"),
    (MultiHeadAttention(), "MultiHeadAttention"),
    (GroupedQueryAttention(), "GroupQueryAttention"),
    (VectorAttention(), "Attention AdditiveAttention"),
    (Embedding(), "Embedding"),
    (ReversibleEmbedding(), "ReversibleEmbedding"),
    (Recurrent(), "LSTM GRU SimpleRNN"),
    (ConvRecurrent(), _sized("ConvLSTM")),
    (Cell(), "LSTMCell GRUCell SimpleRNNCell"),
    (StackedCells(), "StackedRNNCells"),
    (RNN(), "RNN"),
    (TimeDistributed(), "TimeDistributed"),
    (SpectralNormalization(), "SpectralNormalization"),
    (Bidirectional(), "Bidirectional"),
    (
        Locked("changes a picture's colours or objects", multiplies=False),
        "AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization MaxNumBoundingBoxes "
        "MixUp RandAugment RandomColorDegeneration RandomColorJitter RandomElasticTransform RandomErasing "
        "RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization "
        "RandomSaturation RandomSharpness Solarization",
    ),
    (
        Locked("reads numbers or words, which are no channels", multiplies=False),
        "CategoryEncoding Discretization HashedCrossing Hashing IntegerLookup StringLookup TextVectorization",
    ),
    (Locked("reads a wave", multiplies=True), "MelSpectrogram STFTSpectrogram"),
    (
        Locked("holds layers that the graph does not show", multiplies=True),
        "Pipeline FlaxLayer JaxLayer TFSMLayer TorchModuleWrapper",
    ),
]

# Raw operations, and layers that only the models of keras.applications have; they are not exported.
_OTHERS: list[tuple[LayerRule, str, str]] = [
    (LayerScale(), "keras.applications.convnext", "LayerScale"),
    (Elementwise(), "keras.applications.convnext", "StochasticDepth"),
    (Tie(), "keras.applications.inception_resnet_v2", "CustomScaleLayer"),
    *OPERATIONS,
]

# Raw operations that multiply: where they are not known, their MACs are not either.
_MULTIPLY = "Outer Kron Vdot Correlate Conv ConvTranspose DepthwiseConv SeparableConv CDist".split()


def _table() -> dict[Any, LayerRule]:
    found: dict[Any, LayerRule] = {}
    for rule, names in _LAYERS:
        found |= {getattr(keras.layers, name): rule for name in names.split() if hasattr(keras.layers, name)}
    for rule, home, names in _OTHERS:
        found |= {f"{home}.{name}": rule for name in names.split()}
    return found


_RULES = _table()
_FOLLOWED = {f"{home}.{name}" for rule, home, names in OPERATIONS if type(rule) is not Locked for name in names.split()}

Stated = str | LayerRule | type | Callable[[Call, Trace], None]


def register(kind: Any, rule: Stated) -> None:
    """State what a layer type does to channels.

    Args:
        kind: layer class, or an activation function; for Keras's raw operations a string such as
            "keras.ops.numpy.Add". A subclass that overrides no method of it but `__init__` and `get_config` behaves
            the same.
        rule: a class derived from `pruning.LayerRule`, or an instance; or, for layers without weights, one of
            "keep"   every channel comes out where it went in (pooling, padding, an element-wise function;
                     several inputs of the output's rank and width are tied, others are not channels);
            "tie"    element-wise over several inputs, with broadcasting;
            "stack"  concatenation along the layer's `axis`;
            "spread" flattening: copies for every position;
            "lock"   (with weights too) whatever goes in and comes out is never pruned;
            a function `rule(call, trace)`; or a layer class that behaves the same.

    One of these words for a raw operation that is followed exactly without it is not taken, with a warning: it was
    written for a version that did not know the operation. `ChannelGraph(model, rules={...})` takes it.
    """
    if isinstance(kind, str) and isinstance(rule, str) and rule in NAMED and kind in _FOLLOWED:
        warnings.warn(
            f'{kind} is followed exactly, so that "{rule}" is not taken for it: leave the line out, or state it for '
            f'one graph, ChannelGraph(model, rules={{"{kind}": "{rule}"}})',
            stacklevel=2,
        )
        return
    _RULES[kind] = _resolved(rule, _RULES)


class Rules:
    """Which class answers for a layer.

    Args:
        own: for one graph only: kind, or a layer's name, -> rule, as for `register`; they go before the registered
            ones.
    """

    def __init__(self, own: Mapping[Any, Stated] | None = None) -> None:
        self._own: dict[Any, LayerRule] = {}
        for kind, rule in (own or {}).items():
            self._own[kind] = _resolved(rule, _RULES)

    def of(self, layer: Any) -> LayerRule:
        """The rule for a layer or raw operation; `Unknown` where nothing is stated."""
        mode = getattr(layer, "quantization_mode", None)
        if mode is not None:
            return Quantised(f"quantised to {mode}: prune first, then quantise")
        found = self._own.get(layer.name) or _find(layer, self._own)
        if found is None and (stated := getattr(layer, "channel_rule", None)) is not None:
            return _resolved(stated, _RULES)
        return found or _find(layer, _RULES) or Unknown("it is not known what this layer does to channels")

    def keeps(self, function: Any) -> bool:
        """Whether an activation function is known to treat every number alone."""
        return isinstance(self._of_activation(function), Keep | Elementwise | PReLU)

    def knows(self, function: Any) -> bool:
        """Whether anything is stated about an activation function."""
        return self._of_activation(function) is not None

    def _of_activation(self, function: Any) -> LayerRule | None:
        if isinstance(function, keras.layers.Layer):
            found = self.of(function)
            return None if isinstance(found, Unknown) or function.weights else found
        try:
            return self._own.get(function) or _RULES.get(function) or _of_operation(function)
        except TypeError:  # unhashable
            return None


class Unknown(Locked):
    """A type that nothing is known about: kept whole, and named in the graph's warning."""

    def channels(self, call: Call, trace: Trace) -> None:
        super().channels(call, trace)
        kind = type(call.layer)
        trace.unknown[f"{call.path!r} ({kind.__name__})"] = f'pruning.register({_handle(kind)}, "keep")'

    def macs(self, call: Call, sizes: Any) -> int | None:
        ours = type(call.layer).__module__.startswith("keras.src.ops.")
        return 0 if ours and type(call.layer).__name__ not in _MULTIPLY else None


def rule_of_class(kind: type) -> LayerRule | None:
    """The rule that is registered for a layer class itself."""
    return _RULES.get(kind)


class Quantised(Locked):
    """A layer whose kernel holds integers or 8-bit floats: kept whole, and named in the graph's warning."""

    def channels(self, call: Call, trace: Trace) -> None:
        super().channels(call, trace)
        trace.unknown[f"{call.path!r} ({type(call.layer).__name__})"] = self.reason


def _find(layer: Any, rules: Mapping[Any, LayerRule]) -> LayerRule | None:
    """The rule of a layer's class, or of a parent whose behaviour it has."""
    changed: set[str] = set()
    for kind in type(layer).__mro__ if rules else ():
        for key in (kind, _name(kind)):
            if key in rules:
                return None if changed and changed & set(dir(kind)) else rules[key]
        changed |= set(_behaviour(kind))
    return None


def _of_operation(function: Any) -> LayerRule | None:
    """The rule of the raw operation that a function of keras.ops, or of that name of TensorFlow, calls."""
    name = getattr(function, "__name__", "")
    backend = str(getattr(function, "__module__", "")).startswith("tensorflow.")
    if backend or getattr(keras.ops, name, None) is function:
        operation = "".join(part.capitalize() for part in name.split("_"))
        for home in ("numpy", "nn", "math"):
            if type(rule := _RULES.get(f"keras.ops.{home}.{operation}")) is Elementwise:
                return rule
    return None


_HARMLESS = {"__init__", "get_config", "from_config", "compute_output_shape", "compute_output_spec", "__repr__"}


def _behaviour(kind: type) -> Iterator[str]:
    """Names of the methods and properties that a class defines itself and that may change what it computes."""
    for name, value in vars(kind).items():
        if name not in _HARMLESS and (callable(value) or isinstance(value, property | staticmethod | classmethod)):
            yield name


@cache
def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".replace("keras.src.", "keras.")


def _handle(kind: type) -> str:
    """How a user writes a layer type down."""
    if kind.__module__.split(".")[0] != "keras":
        return kind.__name__
    exported = getattr(keras.layers, kind.__name__, None) is kind  # raw operations and some models' layers are not
    return f"keras.layers.{kind.__name__}" if exported else f'"{_name(kind)}"'


def _resolved(rule: Any, rules: Mapping[Any, LayerRule]) -> LayerRule:
    if isinstance(rule, LayerRule):
        return rule
    if isinstance(rule, str):
        if rule not in NAMED:
            raise ValueError(f"channel rule {rule!r} is not known; expected one of {', '.join(NAMED)}, or a class")
        return NAMED[rule]
    if isinstance(rule, type) and issubclass(rule, LayerRule):
        return rule()
    if isinstance(rule, type):
        if rule not in rules:
            raise ValueError(f"no rule is registered for {rule.__name__}, so it cannot serve as a model for another")
        return rules[rule]
    if not callable(rule):
        raise TypeError(f"a channel rule is a pruning.LayerRule, a name, a function or a layer class; got {rule!r}")
    return FunctionRule(rule)
