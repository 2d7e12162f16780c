"""Latency: how long a call takes, beside another model in the same run."""

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import keras


class Latency(float):
    """Median milliseconds of a call; a number, with what was measured beside it.

    Attributes:
        times_ms: of every round, in order.
        low, high: quartiles, in ms.
        shapes: of the batch's arrays.
        threads: that one operation may use.
        against: Latency of the other model, or None.
        speedup: median over the rounds of the other model's time / this one's, or None.
    """

    times_ms: tuple[float, ...]
    low: float
    high: float
    shapes: tuple[tuple, ...]
    threads: int
    against: "Latency | None"
    speedup: float | None

    def __new__(
        cls, times_ms: list[float], shapes: tuple, threads: int, against: "Latency | None" = None
    ) -> "Latency":
        found = super().__new__(cls, statistics.median(times_ms))
        found.times_ms = tuple(times_ms)
        found.low, _, found.high = statistics.quantiles(times_ms, n=4, method="inclusive")
        found.shapes, found.threads, found.against = shapes, threads, against
        found.speedup = None
        if against is not None:
            pairs = zip(against.times_ms, times_ms, strict=True)
            found.speedup = statistics.median(other / mine for other, mine in pairs)
        return found

    def __getnewargs__(self) -> tuple:
        return list(self.times_ms), self.shapes, self.threads, self.against

    def __str__(self) -> str:
        shapes = ", ".join("x".join(map(str, shape)) for shape in self.shapes)
        text = (
            f"{float(self):.2f} ms (quartiles {self.low:.2f} to {self.high:.2f}, {len(self.times_ms)} rounds, "
            f"batch {shapes}, threads {self.threads})"
        )
        if self.against is None:
            return text
        return f"{text}; {self.speedup:.2f} times as fast as the other's {float(self.against):.2f} ms"


def latency(
    model: Any,
    batch: Any,
    against: Any = None,
    *,
    call: Callable[[Any, Any], Any] | None = None,
    warmup: int = 3,
    rounds: int = 20,
) -> Latency:
    """Time calls of a model on one batch; with `against`, of both models in turn, as the machine's load varies.

    Args:
        model: any Keras model.
        batch: what it is called on; its first axis is what is processed at once.
        against: another model, for example the dense one; the two take turns at going first.
        call: `call(model, batch)`, returning when the work is done, such as `lambda model, picture:
            model.detect(picture)`; default, `model.predict_on_batch(batch)`.
        warmup: calls of each model before the clock runs (tracing, caches).
        rounds: timed calls of each model; 2 or more.

    Returns:
        a Latency: the median in ms, with quartiles, batch shapes, threads and the speed-up.
    """
    if rounds < 2 or warmup < 0:
        raise ValueError(f"rounds is {rounds} and warmup {warmup}; expected at least 2 and 0")
    act = call or (lambda one, what: one.predict_on_batch(what))
    models = [model] if against is None else [model, against]
    for one in models * warmup:
        act(one, batch)
    times: list[list[float]] = [[] for _ in models]
    for number in range(rounds):
        order = range(len(models)) if number % 2 == 0 else reversed(range(len(models)))
        for position in order:
            start = time.perf_counter()
            act(models[position], batch)
            times[position].append(1e3 * (time.perf_counter() - start))
    shapes = tuple(tuple(leaf.shape) for leaf in keras.tree.flatten(batch) if hasattr(leaf, "shape"))
    threads = _threads()
    other = None if against is None else Latency(times[1], shapes, threads)
    return Latency(times[0], shapes, threads, other)


def _threads() -> int:
    """Threads that one operation may use: as set in TensorFlow or its environment, or in PyTorch; else all cores."""
    backend, asked = keras.backend.backend(), 0
    if backend == "tensorflow":
        threading = sys.modules["tensorflow"].config.threading
        asked = threading.get_intra_op_parallelism_threads() or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0))
    elif backend == "torch":
        asked = sys.modules["torch"].get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return asked or cores or 1
