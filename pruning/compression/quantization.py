"""Integer arithmetic after training: weights and activations in 8 bits, convolutions included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from pruning.compression.batch_norm_folding import fold
from pruning.compression.fake_quantize import FakeQuantize, calibrate
from pruning.compression.integer_placement import Placement, place, split_activations
from pruning.compression.network_config import NetworkConfig, layer_entry
from pruning.compression.number_grids import OUTPUT_AXES, on_integers
from pruning.compression.quantization_report import LayerPrecision, QuantizationReport
from pruning.compression.rewriting import Weights, layers_by_path, rewritten
from pruning.graph.walk import network_of, walk
from pruning.progress import with_bar


def quantize(
    model: Any, batches: Iterable, bits: int = 8, keep: Iterable[str] = (), percentile: float = 100.0
) -> Any:
    """A model that computes as its int8 version does: post-training quantization (Jacob et al. 2018).

    Batch norms are folded into the layers before them, kernels rounded to integers times a scale for each output
    channel (symmetric, narrow range), and activations to integers of one scale for each tensor, by `FakeQuantize`
    layers in the graph. The layers that compute in integers are those that LiteRT has int8 kernels for (Conv1D, Conv2D,
    DepthwiseConv2D, Conv2DTranspose, SeparableConv2D, Dense; sums, products, pooling, resizing between them); its
    converter makes just these from the result. All numbers are held as float32, so that the model is measured, saved
    and loaded as before; `save_compact` writes the integers.

    Float stay: layers whose result is an answer of the model as it is or goes to layers that are not Keras's own (box
    deltas, logits), activations other than rectifiers (softmax, sigmoid), batch norms that cannot be folded, biases,
    and whatever layer is not known.

    ```python
    small = pruning.remove(model, plan)
    int8 = pruning.quantize(small, calibration_batches)
    print(int8.quantization_report)
    ```

    Args:
        model: Functional or Sequential model, or an object with `.network` and `.config` whose class is called as
            `type(model)(config, network=...)`. Masked channels stay silent.
        batches: calibration: a finite number of batches of the model's inputs; of a tuple (inputs, targets, ...) the
            inputs are taken. A few hundred samples like those that it is to see.
        bits: of weights and activations, 2 to 8; LiteRT has kernels for 8.
        keep: names, paths ("box_head/fc1"), parts or regular expressions of layers that stay float.
        percentile: 100: an activation's range is from the least to the largest value met. Less, such as 99.99: the
            ends that this share of a batch's values lies within, the mean over the batches.

    Returns:
        a model of the same class, not compiled, for inference; `.quantization_report` is a QuantizationReport. The
        original is untouched.

    Raises:
        ValueError: bits or percentile out of range, batches that reach not every layer, or a `keep` that fits nothing.
    """
    if bits not in range(2, 9):
        raise ValueError(f"bits={bits}: 2 to 8; pruning.to_float16 makes halves of weights")
    if not 50 < percentile <= 100:
        raise ValueError(f"percentile={percentile}: over 50, at most 100")
    several = "a dense layer on more than two axes, which LiteRT computes in float"
    dense = [call for call in walk(network_of(model)).calls if type(call.layer) is keras.layers.Dense]
    edit = _Edit(bits, keep, {call.path: several for call in dense if len(call.inputs[0].shape) > 2})
    found = rewritten(model, edit)
    layers = dict(layers_by_path(network_of(found)))
    rounding = {path: layers[path] for path in edit.rounded}
    calibrate(found, rounding, with_bar(batches, "calibrating"), percentile)
    for path, kernel in edit.kernels(layers).items():
        kernel.assign(on_integers(np.asarray(kernel), OUTPUT_AXES[type(layers[path]).__name__], bits))
    found.quantization_report = edit.report(layers)
    return found


class _Edit:
    """The edit of one model, and what it has done."""

    def __init__(self, bits: int, keep: Iterable[str], float_layers: Mapping[str, str]) -> None:
        self._bits, self._keep, self._float = bits, keep, float_layers
        self._placement: Placement
        self._folded: dict[str, str] = {}
        self.rounded: dict[str, str] = {}  # path of a FakeQuantize layer -> path of the layer whose result it rounds

    def __call__(self, network: NetworkConfig, weights: Weights) -> None:
        self._folded = fold(network, weights)
        split_activations(network, weights)
        self._placement = place(network, self._keep, self._float)
        nets = {net.path: net for net in network.everywhere()}
        for (path, tensor), readers in self._placement.rounded.items():
            net = nets[path]
            made_by = tensor[0] or "input"
            name = net.free_name(f"{made_by}_int{self._bits}")
            entry = layer_entry(
                "FakeQuantize", {"name": name, "bits": self._bits}, FakeQuantize.__module__, "pruning>FakeQuantize"
            )
            net.insert(entry, tensor, readers, outputs=bool(path))
            self.rounded[path + name] = path + made_by

    def kernels(self, layers: dict[str, Any]) -> dict[str, keras.Variable]:
        """Path -> kernel of every layer whose kernel becomes integers."""
        return {
            path: layer.kernel
            for path, layer in layers.items()
            if path in self._placement.integer and type(layer).__name__ in OUTPUT_AXES
        }

    def report(self, layers: dict[str, Any]) -> QuantizationReport:
        """What was done, from the layers of the finished model."""
        results: dict[str, list[str]] = {}
        for path, made_by in self.rounded.items():
            layer = layers[path]
            results.setdefault(made_by, []).append(f"[{layer.minimum:.3g}, {layer.maximum:.3g}]")
        holds: dict[str, list[str]] = {}
        for norm, kernel in self._folded.items():
            holds.setdefault(kernel, []).append(norm.rpartition("/")[2])
        integer, how = self._placement.integer, f"int{self._bits}"
        rows = []
        for path, layer in layers.items():
            if isinstance(layer, FakeQuantize | keras.layers.InputLayer):
                continue
            quantized = path in integer
            count = sum(int(np.prod(weight.shape)) for weight in layer.weights)
            stored = "float32" if count else ""
            if quantized and type(layer).__name__ in OUTPUT_AXES:
                stored = f"{how} per output channel"
            ranges = " and ".join(results.get(path, ()))
            reason = self._placement.reasons.get(path, "") if not quantized else ""
            if path in holds:
                reason = "; ".join(filter(None, [f"holds {', '.join(holds[path])}", reason]))
            result = f"{how} in {ranges}" if ranges else how if quantized else ""
            rows.append(LayerPrecision(path, type(layer).__name__, quantized, count, stored, result, reason))
        return QuantizationReport(how, tuple(rows))
