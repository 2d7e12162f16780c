"""A Keras 3 model's twin in tf_keras (Keras 2), where tensorflow-model-optimization works."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any

import keras
import numpy as np

from pruning.graph.walk import Walk, network_of, walk
from schedules.interop import flag_restored

LAYERS = frozenset({
    "Activation", "Add", "Average", "AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Concatenate",
    "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "Cropping1D", "Cropping2D", "Dense", "DepthwiseConv2D",
    "Dropout", "ELU", "Flatten", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "LayerNormalization", "LeakyReLU", "MaxPooling1D", "MaxPooling2D", "Maximum", "Minimum",
    "Multiply", "Permute", "PReLU", "ReLU", "RepeatVector", "Rescaling", "Reshape", "SeparableConv1D",
    "SeparableConv2D", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "Subtract", "UpSampling1D",
    "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
})  # fmt: skip
"""Layers that compute the same in both; Identity is left out of the twin."""

ACTIVATIONS = (
    "linear", "relu", "relu6", "sigmoid", "softmax", "tanh", "elu", "selu", "softplus", "softsign", "swish", "silu",
    "gelu", "exponential",
)  # fmt: skip
_RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}
_NOT_NEEDED = ("_initializer", "_regularizer", "_constraint")  # beginnings, and what only training asks for


def to_tf_keras(model: Any) -> Any:
    """The same network in tf_keras, with the same weights and trainable flags: outputs agree to 1e-5.

    tensorflow-model-optimization (clustering, quantization-aware training, and both on what is pruned) takes models of
    tf_keras alone, without models inside: nested ones are opened, a layer that is called several times is shared. The
    names of layers, inputs and outputs stay; where two nested models have layers of one name, theirs come before it.
    Regularisers and constraints are left out. Not compiled.

    Args:
        model: Functional or Sequential model of standard layers, dense or with channels removed, or an object with
            `.network`; of a detector, one of its parts: `model.network.get_layer("features")`.

    Returns:
        a tf_keras.Model, whose inputs and outputs have the structure of the model's.

    Raises:
        ValueError: names every layer that tf_keras has not, or has otherwise.
        ImportError: tf_keras is not installed.
    """
    network = network_of(model)
    steps = walk(network)
    layers = {id(call.layer): call for call in steps.calls}
    wrong = [f"{call.path} ({reason})" for call in layers.values() if (reason := _why_not(call.layer))]
    if wrong:
        raise ValueError(
            f"{network.name!r} has layers that tf_keras has not, or has otherwise: {'; '.join(wrong)}. Convert the "
            "parts that have none, such as network.get_layer(name), or write these layers in standard ones"
        )
    try:
        import tf_keras
    except ImportError as error:
        raise ImportError("to_tf_keras needs tf_keras: pip install taskprune[tfmot]") from error
    return _Twin(tf_keras, steps).model(network)


def tensorflow_model_optimization() -> Any:
    """The package, imported beside Keras 3 without changing what `tf.keras` is or the environment of this process.

    Raises:
        ImportError: it is not installed.
    """
    with flag_restored():
        try:
            import tensorflow as tf

            _ = tf.keras.Model  # else it would become that of tf_keras
            import tensorflow_model_optimization as tfmot
        except ImportError as error:
            raise ImportError("this needs tensorflow-model-optimization: pip install taskprune[tfmot]") from error
    return tfmot


def take_weights(model: Any, twin: Any) -> None:
    """Write the weights of a twin that has been trained back into the model it was made from, in place.

    Args:
        model: that `to_tf_keras` was given; its layers are found by name.
        twin: with wrappers stripped, as `strip_clustering` and `strip_pruning` leave it.

    Raises:
        ValueError: a layer is missing in the twin, or has weights of other shapes.
    """
    steps = walk(network_of(model))
    names, others = _names(steps), {one.name: one for one in twin.layers}
    for layer in {id(call.layer): call.layer for call in steps.calls}.values():
        weights = getattr(layer, "weights", [])
        if not weights:
            continue
        other: Any = others.get(names[id(layer)])
        found = None if other is None else [tuple(weight.shape) for weight in other.weights]
        expected = [tuple(weight.shape) for weight in weights]
        if found != expected:
            raise ValueError(
                f"layer {names[id(layer)]!r} has weights of shapes {expected}; the twin has "
                f"{found or 'no such layer'}: strip its wrappers first"
            )
        layer.set_weights(other.get_weights())


def _why_not(layer: Any) -> str | None:
    kind = type(layer).__name__
    if not isinstance(layer, keras.layers.Layer):
        return f"the operation {kind}: use a layer such as keras.layers.Add"
    if type(layer).__module__.split(".")[0] != "keras" or kind not in (*LAYERS, "Identity"):
        return kind
    activation = layer.get_config().get("activation", "linear")
    if activation not in ACTIVATIONS:
        return f"activation {activation if isinstance(activation, str) else getattr(layer.activation, '__name__', '?')}"
    if kind == "LayerNormalization" and layer.get_config().get("rms_scaling"):
        return "LayerNormalization with rms_scaling"
    return None


def _names(steps: Walk) -> dict[int, str]:
    """A name for every layer (its id) that no other has."""
    layers = {id(call.layer): call for call in steps.calls}
    count = Counter(call.layer.name for call in layers.values())
    return {
        key: call.layer.name if count[call.layer.name] == 1 else call.path.replace("/", "_")
        for key, call in layers.items()
    }


class _Twin:
    """Calls made again on tf_keras's tensors."""

    def __init__(self, tf_keras: Any, steps: Walk) -> None:
        self._keras, self._steps, self._names = tf_keras, steps, _names(steps)
        self._layers: dict[int, Any] = {}
        self._tensors: dict[int, Any] = {}

    def model(self, network: Any) -> Any:
        inputs = {}
        for name, tensor in self._steps.inputs.items():
            inputs[name] = self._keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
            self._tensors[id(tensor)] = inputs[name]
        for call in self._steps.calls:
            if type(call.layer).__name__ == "Identity":
                self._tensors[id(call.outputs[0])] = self._tensors[id(call.inputs[0])]
                continue
            given = [self._tensors[id(tensor)] for tensor in call.inputs]
            listed = isinstance(call.args[0] if call.args else None, list | tuple)
            made = self._layer(call.layer)(given if listed else given[0])
            self._tensors[id(call.outputs[0])] = made
        outputs = [self._tensors[id(tensor)] for _, tensor in self._steps.outputs]
        alone = isinstance(network.output, keras.KerasTensor)
        leaving = outputs[0] if alone else keras.tree.pack_sequence_as(network.output, outputs)
        entering: Any = inputs if isinstance(network.input, dict) and len(inputs) > 1 else list(inputs.values())
        twin = self._keras.Model(entering[0] if len(entering) == 1 else entering, leaving, name=network.name)
        self._carry()
        return twin

    def _layer(self, layer: Any) -> Any:
        if id(layer) not in self._layers:
            kind = type(layer).__name__
            wanted = getattr(self._keras.layers, kind)
            takes = set(inspect.signature(wanted.__init__).parameters) | {"trainable"}
            config = {
                new: value
                for key, value in layer.get_config().items()
                if (new := _RENAMED.get(kind, {}).get(key, key)) in takes and not key.endswith(_NOT_NEEDED)
            }
            config |= {"name": self._names[id(layer)], "dtype": layer.dtype_policy.name}
            config["trainable"] = layer.trainable
            self._layers[id(layer)] = wanted(**config)
        return self._layers[id(layer)]

    def _carry(self) -> None:
        for call in {id(call.layer): call for call in self._steps.calls}.values():
            if getattr(call.layer, "weights", None):
                self._layers[id(call.layer)].set_weights([np.asarray(weight) for weight in call.layer.weights])
