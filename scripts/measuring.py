"""The figures of a row: each task's measures, and what the network costs."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

import maskrcnn
import pruning
from maskrcnn.evaluation import columns, evaluate
from pictures import Pictures
from progress import Meter
from pruning.costs import counted, without
from settings import Recipe

REFERENCE = (1000, 100)  # RoIs and detections that MACs are also counted for, as published figures are
_TIMED_PICTURES, _SHOWN_PICTURES = 2, 3


class Measuring:
    """Measures models of one recipe.

    Args:
        recipe: the experiment.
        pictures: its data.
        config: of its networks.
        work: where progress is reported, kind "picture".
    """

    def __init__(self, recipe: Recipe, pictures: Pictures, config: maskrcnn.MaskRCNNConfig, work: Meter) -> None:
        self._settings, self._pictures, self._work = recipe.evaluation, pictures, work
        step = config.size_divisor
        height, width = (-(-side // step) * step for side in (config.min_size, config.max_size))
        self.size = (height, width)
        self.rois = recipe.evaluation.rois or config.post_nms_test
        self.detections = recipe.evaluation.detections or pictures.objects
        self.columns = {"macs_image": f"{height}x{width}", "macs_rois": self.rois, "macs_detections": self.detections}

    @functools.cached_property
    def images(self) -> list[np.ndarray]:
        """The first held-out pictures."""
        test = self._pictures.test
        return [test[index].image for index in range(min(_SHOWN_PICTURES, len(test)))]

    def quality(self, model: maskrcnn.MaskRCNN) -> dict[str, Any]:
        """Every measure of every task, as columns of a row."""
        found = evaluate(
            model,
            self._counted(self._pictures.test),
            batch_size=self._settings.batch_size,
            progress=False,
            probes=self._pictures.probes,
        )
        return columns(found)

    def latency(self, model: maskrcnn.MaskRCNN, dense: maskrcnn.MaskRCNN) -> dict[str, Any]:
        """Milliseconds of `detect` for a picture, and of the dense model's in the same run, as columns of a row.

        Both make the detections that MACs count, however sure they are: a model that finds less is not faster for it.
        """
        rounds = self._settings.latency_rounds
        if rounds < 2:
            return {}
        images = self.images[:_TIMED_PICTURES]

        def detect(one: maskrcnn.MaskRCNN, pictures: list) -> None:
            one.detect(pictures, score_threshold=0.0, max_detections=self.detections)

        found = pruning.latency(model, images, dense, call=detect, warmup=1, rounds=rounds)
        assert found.against is not None
        share = 1.0 / len(images)
        return {
            "latency_ms": share * found,
            "latency_dense_ms": share * found.against,
            "latency_ratio": found.speedup,
            "latency_spread": (found.high - found.low) / found,
            "latency_threads": found.threads,
        }

    def _counted(self, dataset: maskrcnn.data.Dataset) -> maskrcnn.data.Dataset:
        def read(index: int):
            if index:  # the time since the last report belongs to the picture before
                self._work.did("picture", 1, f"{index}/{len(dataset)}")
            return dataset[index]

        return maskrcnn.data.Dataset(dataset.name, dataset.class_names, len(dataset), read)


class Costs:
    """Costs of one network, whatever channels of it are silent; the graph is read once.

    Args:
        model: the network.
        measuring: says what MACs count.

    Attributes:
        shapes: of the inputs that MACs are counted for.
        macs: of the whole network.
    """

    def __init__(self, model: maskrcnn.MaskRCNN, measuring: Measuring) -> None:
        self._measuring = measuring
        self.shapes = model.input_shapes(measuring.size, measuring.rois, measuring.detections)
        self._counted = counted(model, self.shapes)
        self._reference = counted(model, model.input_shapes(measuring.size, *REFERENCE))
        self._whole = without(self._counted, {})
        self.macs = self._whole.macs

    def columns(self, graph: pruning.ChannelGraph, budget: str = "filters") -> dict[str, Any]:
        """The cost columns of the network as it is now, and the fractions that are silent.

        Args:
            graph: of what may be pruned in the run.
            budget: what `achieved` is a fraction of: "filters" of `graph`, "params" or "macs" of the network.
        """
        gone = pruning.silent(self._counted)
        whole, left = self._whole, without(self._counted, gone)
        achieved = {
            "filters": filters_gone(graph),
            "params": 1 - left.params / whole.params,
            "macs": 1 - left.macs / whole.macs,
        }
        return {
            "achieved": achieved[budget],
            "achieved_filters": filters_gone(self._counted, gone),
            "achieved_macs": achieved["macs"],
            "params": whole.params,
            "macs": whole.macs,
            "bytes": whole.bytes,
            "effective_params": left.params,
            "effective_macs": left.macs,
            "effective_bytes": left.bytes,
            "macs_1000_100": without(self._reference, gone).macs,
            **self._measuring.columns,
        }


def filters_gone(graph: pruning.ChannelGraph, gone: dict[str, np.ndarray] | None = None) -> float:
    """Fraction of the prunable groups' filters that are zero in the weights, or that are in `gone`."""
    gone = pruning.silent(graph) if gone is None else gone
    filters = {group.name: group.filters for group in graph.prunable}
    cut = sum(int(filters[name][mask].sum()) for name, mask in gone.items())
    return cut / sum(int(count.sum()) for count in filters.values())


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
