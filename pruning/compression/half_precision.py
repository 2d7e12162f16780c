"""Weights in half precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from pruning.compression.batch_norm_folding import fold
from pruning.compression.network_config import NetworkConfig
from pruning.compression.quantization_report import LayerPrecision, QuantizationReport
from pruning.compression.rewriting import Weights, layers_by_path, rewritten
from pruning.graph.walk import network_of

_LARGEST = float(np.finfo(np.float16).max)


def to_float16(model: Any) -> Any:
    """A model whose weights are numbers of half precision, and which computes in float32, as LiteRT's float16 files do.

    Batch norms are folded first where that is exact, as LiteRT's converter does: it is the folded kernels that are
    rounded. The numbers are held as float32, so that the model is measured, saved and loaded as before; `save_compact`
    writes halves.

    Args:
        model: Functional or Sequential model, or an object with `.network` and `.config`.

    Returns:
        a model of the same class, not compiled; `.quantization_report` is a QuantizationReport: a layer with a weight
        beyond 65504, the largest half, stays float32. The original is untouched.
    """
    too_large: set[str] = set()

    def edit(network: NetworkConfig, weights: Weights) -> None:
        fold(network, weights)
        for path, values in weights.items():
            if any(np.abs(value).max(initial=0) > _LARGEST for value in values):
                too_large.add(path)
            else:
                weights[path] = [value.astype(np.float16).astype(value.dtype) for value in values]

    found = rewritten(model, edit)
    found.quantization_report = QuantizationReport(
        "float16",
        tuple(
            LayerPrecision(
                path, type(layer).__name__, path not in too_large, sum(int(np.prod(w.shape)) for w in layer.weights),
                "float32" if path in too_large else "float16",
                reason=f"a weight is beyond {_LARGEST:.0f}" if path in too_large else "",
            )
            for path, layer in layers_by_path(network_of(found))
            if layer.weights
        ),
    )  # fmt: skip
    return found
