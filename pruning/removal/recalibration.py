"""Re-estimating the statistics of batch norms, which pruning leaves wrong."""

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from pruning.graph.walk import network_of, walk


def recalibrate(model: Any, batches: Iterable) -> Any:
    """Set every batch norm's moving statistics, in place, to the exact mean and variance over some batches.

    Every batch passes once, each batch norm normalising with the batch's own statistics and everything else as
    in inference (no dropout). The new statistics are those of all positions of all batches together (so that a
    layer called on several levels, or a smaller last batch, counts by its positions); momentum has no part.
    Frozen batch norms are re-estimated too: pruning has changed their inputs as well.

    Args:
        model: Functional or Sequential model, or a model with `.network`; it is called on every batch.
        batches: of the model's inputs; of a tuple (inputs, targets, ...) the inputs are taken.

    Returns:
        the same model. Its optimizer is not touched.

    Raises:
        ValueError: no batches, or a batch norm that none of them reached.
    """
    tallies: dict[int, _Tally] = {}
    for call in walk(network_of(model)).calls:
        if isinstance(call.layer, keras.layers.BatchNormalization):
            tallies.setdefault(id(call.layer), _Tally(call.layer, call.path))
    try:
        for tally in tallies.values():
            tally.layer.call = tally.call
        for batch in batches:
            model(batch[0] if isinstance(batch, tuple) else batch, training=False)
    finally:
        for tally in tallies.values():
            if "call" in vars(tally.layer):
                del tally.layer.call
    for tally in tallies.values():
        if not tally.count:
            raise ValueError(f"batch norm {tally.path!r} saw no data: give batches that reach every layer")
    for tally in tallies.values():
        tally.layer.moving_mean.assign(tally.mean)
        tally.layer.moving_variance.assign(tally.squares / tally.count)
    return model


class _Tally:
    """Count, mean and sum of squared deviations of all that a batch norm reads, joined as by Chan et al. 1979."""

    def __init__(self, layer: Any, path: str) -> None:
        self.layer, self.path = layer, path
        self.count = 0
        self.mean = np.zeros(tuple(layer.moving_mean.shape))
        self.squares = np.zeros_like(self.mean)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """In place of the layer's call: note the inputs' statistics, and normalise with them."""
        if mask is not None:
            raise ValueError(f"batch norm {self.path!r} is called with a mask, which recalibrate cannot weigh")
        layer = self.layer
        values = keras.ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        axis = layer.axis % len(values.shape)
        others = [other for other in range(len(values.shape)) if other != axis]
        mean, variance = keras.ops.moments(values, axes=others)
        self._join(math.prod(values.shape[other] for other in others), mean, variance)
        result = keras.ops.batch_normalization(
            values, mean, variance, axis,
            offset=layer.beta if layer.center else None,
            scale=layer.gamma if layer.scale else None,
            epsilon=layer.epsilon,
        )  # fmt: skip
        return keras.ops.cast(result, layer.compute_dtype)

    def _join(self, count: int, mean: Any, variance: Any) -> None:
        if not count:
            return
        mean, variance = (
            np.asarray(keras.ops.convert_to_numpy(value), np.float64) for value in (mean, variance)
        )
        total, apart = self.count + count, mean - self.mean
        self.squares += variance * count + apart**2 * (self.count * count / total)
        self.mean += apart * (count / total)
        self.count = total
