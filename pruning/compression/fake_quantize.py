"""The layer that rounds activations as integer arithmetic does, and how it learns its range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable("pruning")
class FakeQuantize(keras.layers.Layer):
    """Rounds a tensor to 2 ** bits evenly spaced values, zero among them, between two ends (Jacob et al. 2018).

    LiteRT's converter reads the integer type of a tensor from it. Gradients pass where the value is inside the range.

    Args:
        minimum, maximum: ends of the range, zero between them; None: the values pass as they are.
        bits: of a value.
    """

    channel_rule = "keep"

    def __init__(
        self, minimum: float | None = None, maximum: float | None = None, bits: int = 8, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "trainable": False})
        self.minimum, self.maximum, self.bits = minimum, maximum, bits

    def call(self, inputs: Any) -> Any:
        if self.minimum is None:
            return inputs
        return keras.quantizers.fake_quant_with_min_max_vars(inputs, self.minimum, self.maximum, self.bits)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "minimum": self.minimum, "maximum": self.maximum, "bits": self.bits}


def calibrate(model: Any, layers: dict[str, Any], batches: Iterable, percentile: float) -> None:
    """Give layers the ranges that their inputs have over some batches.

    Args:
        model: called on every batch in inference mode; of a tuple (inputs, targets, ...) the inputs are taken.
        layers: path -> FakeQuantize; they let everything pass meanwhile.
        batches: finite.
        percentile: 100: the least and largest value met. Less: the ends that this share of a batch's values lies
            within, half of the others beyond either end; the mean over the batches.

    Raises:
        ValueError: there are no batches, a layer saw nothing, or something that is no number.
    """
    ends: dict[str, list[tuple[float, float, int]]] = {path: [] for path in layers}
    try:
        for path, layer in layers.items():
            layer.minimum = layer.maximum = None
            layer.call = _Observed(ends[path], percentile).call
        for batch in batches:
            model(batch[0] if isinstance(batch, tuple) else batch, training=False)
    finally:
        for layer in layers.values():
            vars(layer).pop("call", None)
    for path, layer in layers.items():
        if not ends[path]:
            raise ValueError(f"{path!r} saw no data: give batches that reach every layer")
        low, high, count = np.array(ends[path]).T
        if not np.isfinite(low + high).all():
            raise ValueError(f"{path!r} meets values that are no numbers: the model or the batches are broken")
        if percentile == 100:
            least, most = low.min(), high.max()
        else:
            least, most = np.average(low, weights=count), np.average(high, weights=count)
        least, most = min(0.0, float(least)), max(0.0, float(most))
        layer.minimum, layer.maximum = (least, most) if most > least else (0.0, 1.0)


class _Observed:
    """In place of a layer's call: notes the ends of what passes, and how many values there were."""

    def __init__(self, ends: list[tuple[float, float, int]], percentile: float) -> None:
        self._ends, self._percentile = ends, percentile

    def call(self, inputs: Any) -> Any:
        values = keras.ops.convert_to_numpy(inputs)
        if values.size:
            if self._percentile == 100:
                low, high = values.min(), values.max()
            else:
                beyond = (100 - self._percentile) / 2
                low, high = np.percentile(values, [beyond, 100 - beyond])
            self._ends.append((float(low), float(high), values.size))
        return inputs
