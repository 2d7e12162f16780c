"""How the weights of a network's kernels are spread, before pruning and after it."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np

import pruning
from experiments.runs.run_folder import plain


def histograms(graph: pruning.ChannelGraph, edges: np.ndarray) -> dict[str, dict[str, list[int]]]:
    """How the kernels' weights are spread, zeros left out.

    Args:
        graph: of the network.
        edges: (N + 1,) of the bins; what lies outside counts in the first or last one.

    Returns:
        {"layers": {path: N counts}, "parts": {part: N counts}}.
    """
    layers: dict[str, np.ndarray] = {}
    parts: dict[str, np.ndarray] = {}
    for kernel in graph.kernels:
        values = keras.ops.convert_to_numpy(kernel.variable).ravel().astype(np.float32)
        values = np.clip(values[values != 0], edges[0], edges[-1])
        counts = np.histogram(values, edges)[0]
        for table, key in ((layers, kernel.call.path), (parts, kernel.call.part)):
            table[key] = table.get(key, 0) + counts
    return {
        "layers": {path: counts.tolist() for path, counts in layers.items()},
        "parts": {part: counts.tolist() for part, counts in parts.items()},
    }


def bins(graph: pruning.ChannelGraph, count: int = 64) -> np.ndarray:
    """Edges of bins over four standard deviations of a network's weights on either side of zero, (count + 1,)."""
    kernels = [keras.ops.convert_to_numpy(kernel.variable).astype(np.float32) for kernel in graph.kernels]
    squares, numbers = sum(float(np.square(k).sum()) for k in kernels), sum(k.size for k in kernels)
    most = 4.0 * (squares / numbers) ** 0.5 or 1.0
    return np.linspace(-most, most, count + 1)


def before_and_after(before: dict[str, Any], graph: pruning.ChannelGraph, edges: np.ndarray) -> str:
    """JSON of a network's `histograms` before pruning beside those of a graph now: edges, before, after, parts."""
    after = histograms(graph, edges)
    parts = {"before": before["parts"], "after": after["parts"]}
    content = {"edges": edges, "before": before["layers"], "after": after["layers"], "parts": parts}
    return json.dumps(plain(content)) + "\n"
