"""What batch norms read: the mean and variance of their inputs over some batches, batch by batch and in all."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from pruning.graph.walk import Call, network_of, walk

Moments = tuple[Any, Any]
Use = Callable[["Norm", Any, Any], Moments]


@dataclass(eq=False)
class Tally:
    """Count, mean and sum of squared deviations over all that was joined, as by Chan et al. 1979; float64."""

    count: int = 0
    mean: Any = 0.0
    squares: Any = 0.0

    def join(self, count: int, mean: Any, variance: Any) -> None:
        """Add `count` numbers by channel, of this mean (C,) and variance (C,)."""
        mean, variance = (np.asarray(keras.ops.convert_to_numpy(value), np.float64) for value in (mean, variance))
        total, apart = self.count + count, mean - self.mean
        self.squares = self.squares + variance * count + apart**2 * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    @property
    def variance(self) -> np.ndarray:
        return self.squares / self.count


@dataclass(eq=False)
class Norm:
    """A batch norm while its network runs.

    Attributes:
        frozen: whether it normalises with what it has stored in training too.
        tally: of all that it read.
        calls: mean and variance of what it read at every call, each float (C,), in order; None if that was nothing.
    """

    layer: Any
    path: str
    frozen: bool
    tally: Tally = field(default_factory=Tally)
    calls: list[Moments | None] = field(default_factory=list)


class NormStatistics:
    """What the batch norms of a network read, in inference, on the batches that it is given.

    Attributes:
        norms: path -> Norm.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.norms = {norm.path: norm for norm in norms_of(model)}

    def read(self, batch: Any) -> None:
        """Let the network read a batch."""
        with watched(list(self.norms.values()), lambda norm, mean, variance: stored(norm.layer)):
            run(self._model, batch)


def norm_statistics(model: Any, batches: Iterable) -> NormStatistics:
    """What every batch norm of a network reads over some batches, in inference.

    For `pruning.recalibrate(model, batches, dense=...)`, where one model is first the dense one and then pruned.

    Args:
        model: Functional or Sequential model, or a model with `.network`; it is called on every batch.
        batches: of the model's inputs; of a tuple (inputs, targets, ...) the inputs are taken.
    """
    found = NormStatistics(model)
    for batch in batches:
        found.read(batch)
    return found


def run(model: Any, batch: Any) -> None:
    """Call a model on a batch, as in inference."""
    model(batch[0] if isinstance(batch, tuple) else batch, training=False)


def stored(layer: Any) -> Moments:
    """The statistics that a batch norm has."""
    return layer.moving_mean, layer.moving_variance


def norms_of(model: Any) -> list[Norm]:
    """Every batch norm of a network, once."""
    calls: dict[int, list[Call]] = {}
    for call in walk(network_of(model)).calls:
        if isinstance(call.layer, keras.layers.BatchNormalization):
            calls.setdefault(id(call.layer), []).append(call)
    return [Norm(mine[0].layer, mine[0].path, _frozen(mine)) for mine in calls.values()]


def _frozen(calls: list[Call]) -> bool:
    return not calls[0].layer.trainable or all(call.kwargs.get("training") is False for call in calls)


@contextmanager
def watched(norms: list[Norm], use: Use) -> Iterator[None]:
    """While it lasts, every norm notes what it reads, and normalises with what `use` gives.

    Args:
        norms: of one network.
        use: (norm, mean, variance of what it reads) -> the mean and variance to normalise with; the norm's `calls` are
            those before.
    """
    try:
        for norm in norms:
            norm.layer.call = _watching(norm, use)
        yield
    finally:
        for norm in norms:
            if "call" in vars(norm.layer):
                del norm.layer.call


def _watching(norm: Norm, use: Use) -> Callable:
    layer = norm.layer

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """In place of the layer's call."""
        if mask is not None:
            raise ValueError(f"batch norm {norm.path!r} is called with a mask, which recalibrate cannot weigh")
        values = keras.ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        axis = layer.axis % len(values.shape)
        others = [other for other in range(len(values.shape)) if other != axis]
        mean, variance = keras.ops.moments(values, axes=others)
        count = math.prod(values.shape[other] for other in others)
        used = use(norm, mean, variance) if count else stored(layer)
        norm.calls.append((mean, variance) if count else None)
        if count:
            norm.tally.join(count, mean, variance)
        result = keras.ops.batch_normalization(
            values, *(keras.ops.cast(value, values.dtype) for value in used), axis,
            offset=layer.beta if layer.center else None,
            scale=layer.gamma if layer.scale else None,
            epsilon=layer.epsilon,
        )  # fmt: skip
        return keras.ops.cast(result, layer.compute_dtype)

    return call
