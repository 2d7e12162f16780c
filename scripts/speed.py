"""Remove parts of a Mask R-CNN's MACs for real, and time what that gains.

Weights are random, batch norms recalibrated on the picture, and the score threshold is 0: every model makes as many
proposals and detections as it may, and the table shows how many. Each smaller model and the dense one take turns on
one picture. Writes results/speed/<backbone>.csv (a row for each ratio) and <backbone>.json (settings, machine,
versions, graph).
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Gt, Lt

# isort: off
from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
# isort: on

import keras
import pandas as pd
import tensorflow as tf
from rich.progress import Progress

import maskrcnn
import pruning
from experiments.commands import guarded
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Settings

CLASSES = tuple(f"class {number}" for number in range(1, 91))


class Speed(Settings):
    """What is removed and timed."""

    backbone: Literal["resnet18", "resnet50", "resnet101"] = "resnet50"
    """of the Mask R-CNN, with the widths of the paper."""
    size: Count = 512
    """height and width of the picture, px."""
    ratios: tuple[Annotated[float, Gt(0), Lt(1)], ...] = (0.25, 0.5, 0.75)
    """fractions of the MACs to remove."""
    scope: Literal["layer", "part", "global"] = "layer"
    """where channels compete; layer takes the same share of every layer of every part."""
    round_to: Count = 8
    """kept channels are rounded to multiples of this."""
    rois: Count = 1000
    """proposals, in the budget and in `detect`."""
    detections: Count = 100
    """detections, likewise."""
    rounds: Count = 9
    """timed calls of each model; the medians count."""
    threads: int = 0
    """0: one for every core."""
    seed: int = 0
    """of weights and picture."""
    output: str = "results/speed"
    """folder to write into."""


def dense_model(settings: Speed) -> maskrcnn.MaskRCNN:
    """The model before pruning, with random weights."""
    keras.utils.set_random_seed(settings.seed)
    config = maskrcnn.MaskRCNNConfig(
        class_names=CLASSES,
        backbone=settings.backbone,
        min_size=settings.size,
        max_size=settings.size,
        post_nms_test=settings.rois,
        detections_per_image=settings.detections,
        detection_min_score=0.0,
    )
    return maskrcnn.MaskRCNN(config)


def calibrated(model: maskrcnn.MaskRCNN, pictures: maskrcnn.data.Dataset) -> maskrcnn.MaskRCNN:
    """The model with batch norms that keep random weights' signals in range."""
    return pruning.recalibrate(model, maskrcnn.data.batches(pictures, model.config, 1, training=False))


def file_bytes(model: Any, folder: Path) -> int:
    """Size of the .keras file of a model."""
    path = folder / "part-size.keras"
    model.save(path)
    size = path.stat().st_size
    path.unlink()
    return size


def peak_bytes() -> float:
    """Most memory that this process has had; NaN where the system does not say."""
    if sys.platform == "win32":
        return math.nan
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run(settings: Speed) -> tuple[pd.DataFrame, dict[str, Any]]:
    """All rows, and what belongs to them together."""
    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    folder, model = Path(settings.output), dense_model(settings)
    shapes = model.input_shapes((settings.size, settings.size), settings.rois, settings.detections)
    pictures = maskrcnn.data.shapes(1, settings.size, settings.seed, level="hard")
    pictures = maskrcnn.data.Dataset("speed", CLASSES, 1, pictures.__getitem__)
    picture = pictures[0].image
    calibrated(model, pictures)

    began = time.perf_counter()
    graph = pruning.ChannelGraph(model)
    graph_seconds = time.perf_counter() - began
    scores = pruning.GroupL1()(graph)
    dense = pruning.cost(model, shapes)
    rows: list[dict[str, Any]] = [{
        "asked": 0.0, "achieved": 0.0, "params": dense.params, "macs": dense.macs,
        "file_bytes": file_bytes(model, folder),
    }]
    with Progress() as bar:
        for ratio in bar.track(settings.ratios, description="removing and timing"):
            began = time.perf_counter()
            plan = pruning.plan(graph, scores, ratio, scope=settings.scope, measure="macs",
                                round_to=settings.round_to, input_shapes=shapes)
            planned = time.perf_counter()
            small = pruning.remove(model, plan)
            removed = time.perf_counter()
            memory = peak_bytes()
            cost = pruning.cost(small, shapes)
            calibrated(small, pictures)
            found = pruning.latency(small, picture, model, call=lambda one, what: one.detect(what),
                                    warmup=2, rounds=settings.rounds)
            assert found.against is not None
            rows.append({
                "asked": ratio, "achieved": plan.achieved, "params": cost.params, "macs": cost.macs,
                "file_bytes": file_bytes(small, folder), "detect_ms": float(found), "low_ms": found.low,
                "high_ms": found.high, "dense_detect_ms": float(found.against), "speedup": found.speedup,
                "detections": len(small.detect(picture)), "dense_detections": len(model.detect(picture)),
                "plan_seconds": planned - began, "remove_seconds": removed - planned, "peak_bytes": memory,
            })
    together = {
        "graph_seconds": graph_seconds,
        "groups": len(graph.groups),
        "prunable_groups": len(graph.prunable),
        "settings": settings.model_dump(),
        "versions": f"keras {keras.__version__}, tensorflow {tf.__version__}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    return pd.DataFrame(rows), together


def main() -> int:
    settings = read_flags(Speed, "speed.py", __doc__)
    settings = settings.model_copy(update={"threads": settings.threads or os.cpu_count() or 1})
    folder = Path(settings.output)
    folder.mkdir(parents=True, exist_ok=True)
    table, together = run(settings)
    write_text(folder / f"{settings.backbone}.csv", table.to_csv(index=False))
    write_text(folder / f"{settings.backbone}.json", json.dumps(together, indent=1) + "\n")
    print(f"graph: {together['graph_seconds']:.2f} s, {together['groups']} groups")
    for row in table.iloc[1:].to_dict("records"):
        print(f"{row['asked']:.0%} of MACs asked, {row['achieved']:.1%} gone: {row['speedup']:.2f} times as fast "
              f"({row['dense_detect_ms']:.0f} -> {row['detect_ms']:.0f} ms); plan {row['plan_seconds']:.2f} s, "
              f"removal {row['remove_seconds']:.2f} s, peak {row['peak_bytes'] / 1e9:.2f} GB")
    print(f"written: {folder / settings.backbone}.csv")
    return 0


if __name__ == "__main__":
    guarded(main)
