"""Weight clustering: every layer's weights become a few numbers, and each weight the place of one of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from pruning.compression.integer_placement import KEPT, kept_paths
from pruning.compression.network_config import NetworkConfig
from pruning.compression.quantization_report import LayerPrecision, QuantizationReport
from pruning.compression.rewriting import Weights, layers_by_path, rewritten
from pruning.graph.walk import network_of
from pruning.progress import with_bar

_BINS = 4096  # k-means sees each layer's weights as so many weighted points


def cluster(model: Any, clusters: int = 16, keep: Iterable[str] = ()) -> Any:
    """A model whose layers have few different weights each: k-means in every layer (Han et al. 2016, weight sharing).

    Every weight of two axes or more (kernels, embeddings) is clustered by itself; biases and batch norms stay as they
    are, and no batch norm is folded, which would give each channel other numbers. Weights that are zero, pruned ones
    above all, stay zero: zero then is one of the numbers. `save_compact` writes places and tables.

    Args:
        model: Functional or Sequential model, or an object with `.network` and `.config`.
        clusters: numbers in a kernel, 2 to 256; 16 are places of 4 bits.
        keep: names, paths, parts or regular expressions of layers that stay as they are.

    Returns:
        a model of the same class, not compiled; `.quantization_report` is a QuantizationReport. The original is
        untouched.

    Raises:
        ValueError: clusters out of range, or a `keep` that fits no layer.
    """
    if clusters not in range(2, 257):
        raise ValueError(f"clusters={clusters}: 2 to 256")
    kept: set[str] = set()
    found_in: dict[str, list[int]] = {}

    def edit(network: NetworkConfig, weights: Weights) -> None:
        kept.update(kept_paths(network, keep))
        chosen = [path for path in weights if path not in kept]
        for path in with_bar(chosen, "clustering", len(chosen)):
            counts, values = [], weights[path]
            for place, value in enumerate(values):
                if value.ndim > 1 and value.size > clusters:
                    values[place] = clustered(value, clusters)
                    counts.append(len(np.unique(values[place])))
            found_in[path] = counts

    found = rewritten(model, edit)
    rows = []
    for path, layer in layers_by_path(network_of(found)):
        if not layer.weights:
            continue
        counts = found_in.get(path, [])
        stored = " and ".join(f"{count} numbers" for count in counts) or "float32"
        reason = "" if counts else KEPT if path in kept else "no kernel with more weights than clusters"
        size = sum(int(np.prod(weight.shape)) for weight in layer.weights)
        rows.append(LayerPrecision(path, type(layer).__name__, bool(counts), size, stored, reason=reason))
    found.quantization_report = QuantizationReport(f"{clusters} clusters a kernel", tuple(rows))
    return found


def clustered(weights: np.ndarray, clusters: int) -> np.ndarray:
    """Weights, each replaced by the mean of its cluster; zeros stay zero and count as one cluster."""
    flat = weights.ravel()
    alive = flat != 0
    values = flat[alive]
    wanted = clusters - int(not alive.all())
    found = np.zeros_like(flat)
    if values.size:
        codes = _codes(values, wanted)
        sums = np.bincount(codes, values.astype(np.float64), wanted)
        means = sums / np.maximum(np.bincount(codes, minlength=wanted), 1)
        found[alive] = means.astype(flat.dtype)[codes]
    return found.reshape(weights.shape)


def _codes(values: np.ndarray, clusters: int) -> np.ndarray:
    """The cluster of each value, int (N,): between two neighbouring centres the middle decides."""
    if len(different := np.unique(values)) <= clusters:
        return np.searchsorted(different, values)
    edges = np.linspace(values.min(), values.max(), _BINS + 1)
    counts, _ = np.histogram(values, edges)
    sums, _ = np.histogram(values, edges, weights=values)
    full = counts > 0
    points = (sums[full] / counts[full])[:, None]
    if len(points) > clusters:
        means = KMeans(clusters, n_init=2, random_state=0).fit(points, sample_weight=counts[full])
        points = means.cluster_centers_
    centres = np.sort(points[:, 0])
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
