"""Which layers integer arithmetic can do, in the terms of LiteRT's int8 kernels."""

from __future__ import annotations

from pruning.compression.number_grids import OUTPUT_AXES

KERNELS = frozenset(OUTPUT_AXES)
"""Layers that multiply by weights."""

EXACT = frozenset({
    "Flatten", "Reshape", "Permute", "RepeatVector", "Identity", "MaxPooling1D", "MaxPooling2D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling1D", "Dropout",
    "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "ActivityRegularization",
    "AveragePooling1D", "AveragePooling2D", "UpSampling2D",
})  # fmt: skip
"""Layers whose results have the scale of what they read: they move, copy, compare or average numbers.

LiteRT rounds averages to that scale, by half a step at most; here they stay between.
"""

ARITHMETIC = frozenset({
    "Add", "Subtract", "Multiply", "Maximum", "Minimum", "Concatenate", "GlobalAveragePooling1D",
    "GlobalAveragePooling2D", "LeakyReLU", "PReLU",
})  # fmt: skip
"""Layers without a kernel whose results are rounded anew."""

RECTIFIERS = ("linear", "relu", "relu6")
"""Activations that a kernel does as it rounds."""


def is_keras(entry: dict) -> bool:
    """Whether a config's entry is one of Keras's own layers."""
    return entry.get("registered_name") is None and str(entry.get("module", "")).startswith("keras.layers")


def kind(entry: dict) -> str:
    """How a layer is done: "kernel", "exact", "arithmetic", "rectifier" or "float"."""
    name, config = entry["class_name"], entry["config"]
    if not is_keras(entry) or config.get("data_format", "channels_last") not in ("channels_last", None):
        return "float"
    if name in KERNELS:
        return "float" if _dilated(config) else "kernel"
    if name in EXACT or (name == "Activation" and config["activation"] == "linear"):
        return "exact"
    if name == "ReLU":
        plain = config["max_value"] in (None, 6) and not config["negative_slope"] and not config["threshold"]
        return "rectifier" if plain else "arithmetic"
    if name == "Activation" and config["activation"] in RECTIFIERS:
        return "rectifier"
    return "arithmetic" if name in ARITHMETIC else "float"


def _dilated(config: dict) -> bool:
    rate = config.get("dilation_rate", 1)
    return any(step != 1 for step in (rate if isinstance(rate, list | tuple) else [rate]))


def why_float(entry: dict) -> str:
    """The reason why a layer that is "float" is that."""
    name, config = entry["class_name"], entry["config"]
    if name == "BatchNormalization":
        return "a batch norm that cannot be folded: it does not follow, alone, a convolution or dense layer"
    if name == "Softmax" or config.get("activation") == "softmax":
        return "a softmax: 256 steps would coarsen its answers"
    if name == "Activation":
        return f"{config['activation']} is not a rectifier"
    if _dilated(config):
        return "a dilated convolution, which LiteRT's converter writes in float"
    if config.get("data_format") == "channels_first":
        return "channels first: integer kernels read channels last"
    if not is_keras(entry):
        return "not a layer of Keras: what it does inside is not known"
    return f"no integer kernel for {name}"
