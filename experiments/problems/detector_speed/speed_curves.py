"""Time `detect` over picture sizes, batch sizes and thread counts, dense and with half of the MACs removed; and XLA.

Every number of threads has a process of its own, as TensorFlow takes it once. Weights are random, see `removal_speed`.
XLA compiles the whole detector for one shape, with empty slots filled, as `tf.function(..., jit_compile=True)` on the
model called with `static_shapes=True`; it is timed beside the same graph without XLA's compiler, on one picture. Writes
results/speed/<network>_curves.csv.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

# isort: off
from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
# isort: on

import numpy as np
import pandas as pd
import tensorflow as tf
from rich.progress import Progress

import maskrcnn
import pruning
from experiments.commands import guarded
from experiments.problems.detector_speed.removal_speed import (
    CRITERIA,
    Speed,
    calibrated,
    completed,
    config_of,
    dense_model,
)
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count


class Curves(Speed):
    """What is timed; of what is removed, the first ratio, criterion and rounding count."""

    ratios: tuple[float, ...] = (0.5,)
    """fraction of the MACs to remove from the second model."""
    sizes: tuple[Count, ...] = (256, 512, 768, 1024)
    """heights and widths of the pictures, px, one at a time."""
    batches: tuple[Count, ...] = (1, 2, 4, 8)
    """pictures at a time, of the network's own size."""
    thread_counts: tuple[Count, ...] = (1, 2)
    """threads of an operation."""
    xla_sizes: tuple[int, ...] = (512,)
    """sizes that are timed under XLA too; -1: none."""
    rounds: Count = 5
    """timed calls of each; the medians count."""


def median_ms(calls: list[Callable[[], Any]], rounds: int) -> list[tuple[float, float]]:
    """Milliseconds of each call by the clock and by the processors' time, the calls in turns, one round not counted."""
    wall: list[list[float]] = [[] for _ in calls]
    cpu: list[list[float]] = [[] for _ in calls]
    for number in range(rounds + 1):
        for place, call in enumerate(calls):
            began, cpu_began = time.perf_counter(), time.process_time()
            call()
            if number:
                wall[place].append(1e3 * (time.perf_counter() - began))
                cpu[place].append(1e3 * (time.process_time() - cpu_began))
    return [(statistics.median(a), statistics.median(b)) for a, b in zip(wall, cpu, strict=True)]


def measure(settings: Curves, threads: int) -> list[dict[str, Any]]:
    """Rows of one number of threads."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    dense = dense_model(settings)
    shapes = dense.input_shapes((settings.size, settings.size), settings.rois, settings.detections)
    drawn = maskrcnn.data.shapes(1, settings.size, settings.seed, level="hard")
    pictures = maskrcnn.data.Dataset("speed", dense.config.class_names, 1, drawn.__getitem__)
    calibrated(dense, pictures)
    criterion = CRITERIA[settings.criteria[0]]()
    plan = pruning.plan(dense, criterion, settings.ratios[0], scope=settings.scope, measure="macs",
                        round_to=settings.round_to[0], input_shapes=shapes)
    small = calibrated(pruning.remove(dense, plan), pictures)
    networks = {"dense": dense.network, "pruned": small.network}
    rows: list[dict[str, Any]] = []

    def models(size: int) -> list[maskrcnn.MaskRCNN]:
        config = config_of(settings, size)
        return [maskrcnn.MaskRCNN(config, network=network) for network in networks.values()]

    def note(kind: str, size: int, batch: int, calls: list[Callable[[], Any]]) -> None:
        for name, (wall, cpu) in zip(networks, median_ms(calls, settings.rounds), strict=True):
            rows.append({"threads": threads, "kind": kind, "size": size, "batch": batch, "model": name,
                         "ms_a_picture": wall / batch, "cpu_ms_a_picture": cpu / batch})

    for size in sorted({*settings.sizes, settings.size}):
        images = _pictures(size, max(settings.batches), settings.seed)
        pair = models(size)
        for batch in settings.batches if size == settings.size else (1,):
            note("detect", size, batch, [partial(m.detect, images[:batch], batch_size=batch) for m in pair])
    for size in settings.xla_sizes if threads == max(settings.thread_counts) else ():
        if size > 0:
            image = tf.constant(_pictures(size, 1, settings.seed)[0][None] / 255, tf.float32)
            given = {"image": image, "image_size": tf.constant([[size, size]], tf.float32)}
            for kind, compiled in (("static", False), ("xla", True)):
                note(kind, size, 1, [_of_fixed_shapes(m, given, compiled) for m in models(size)])
    return rows


def _of_fixed_shapes(model: maskrcnn.MaskRCNN, given: dict[str, tf.Tensor], compiled: bool) -> Callable[[], Any]:
    graph = tf.function(lambda given: model(given, static_shapes=True), jit_compile=compiled)
    return lambda: graph(given)["count"].numpy()


def _pictures(size: int, count: int, seed: int) -> list[np.ndarray]:
    drawn = maskrcnn.data.shapes(count, size, seed, level="hard")
    return [drawn[index].image for index in range(count)]


def main() -> int:
    settings = completed(read_flags(Curves, "speed_curves.py", __doc__))
    rows: list[dict[str, Any]] = []
    with Progress() as bar:
        for threads in bar.track(settings.thread_counts, description="timing, thread count by thread count"):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
                rows += alone.submit(measure, settings, threads).result()
    path = Path(settings.output) / f"{settings.network}_curves.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    write_text(path, table.to_csv(index=False))
    print(table.to_string(index=False))
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    guarded(main)
