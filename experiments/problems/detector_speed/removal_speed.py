"""Remove parts of a Mask R-CNN's MACs for real, and time what that gains.

Weights are random, batch norms recalibrated on the picture, and the score threshold is 0: every model makes as many
proposals and detections as it may, and the table shows how many. Each smaller model and the dense one take turns on
one picture, by the clock and by the processors' time, which a neighbour on the machine disturbs less. Writes
results/speed/<network>.csv (a row for each criterion, rounding and ratio) and <network>.json (settings, machine,
versions, graph). With --measure latency the ratios are of the time of `detect`: each step of the search removes
channels and times what is left. The files are <network>_latency.csv and .json then.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

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
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Settings

CLASSES = tuple(f"class {number}" for number in range(1, 91))


class Speed(Settings):
    """What is removed and timed."""

    network: Literal["resnet18", "resnet50", "resnet101", "facades"] = "resnet50"
    """a ResNet with the widths of the paper, or MobileNet 0.75 with the widths of the recipe facades."""
    size: int = 0
    """height and width of the picture, px; 0: 512, of facades 320."""
    ratios: tuple[Annotated[float, Gt(0), Lt(1)], ...] = (0.25, 0.5, 0.75)
    """fractions of the MACs, or of the time, to remove."""
    measure: Literal["macs", "latency"] = "macs"
    """what the ratios are of: the MACs, or the time of `detect`, measured anew at each step of the search."""
    scope: Literal["layer", "part", "global"] = "layer"
    """where channels compete; layer takes the same share of every layer of every part."""
    criteria: tuple[Literal["group_l1", "l1", "random"], ...] = ("group_l1",)
    """which channels go: scores that need no data."""
    round_to: tuple[Count, ...] = (8,)
    """kept channels are rounded to multiples of each of these; 1: as they come."""
    rois: int = 0
    """proposals, in the budget and in `detect`; 0: 1000, of facades 300."""
    detections: int = 0
    """detections, likewise; 0: 100, of facades 27."""
    rounds: Count = 9
    """timed calls of each model; the medians count."""
    threads: int = 0
    """0: one for every core."""
    seed: int = 0
    """of weights and picture."""
    output: str = "results/speed"
    """folder to write into."""


CRITERIA = {"group_l1": pruning.GroupL1, "l1": pruning.L1, "random": pruning.Random}
OWN = {"facades": {"size": 320, "rois": 300, "detections": 27}}  # of a network, where the settings leave it open
USUAL = {"size": 512, "rois": 1000, "detections": 100}
FACADES: dict[str, Any] = {
    "backbone": "mobilenet",
    "backbone_alpha": 0.75,
    "fpn_width": 64,
    "rpn_width": 64,
    "box_head_widths": (256, 256),
    "mask_head_widths": (64, 64, 64, 64),
    "mask_deconv_width": 64,
    "anchor_sizes": (16, 32, 64, 128, 256),
    "roi_canonical_size": 112,
    "pre_nms_test": 500,
}


AnySpeed = TypeVar("AnySpeed", bound=Speed)


def completed(settings: AnySpeed) -> AnySpeed:
    """The settings with what the network decides."""
    own = OWN.get(settings.network, USUAL)
    return settings.model_copy(update={name: getattr(settings, name) or own[name] for name in USUAL})


def config_of(settings: Speed, size: int) -> maskrcnn.MaskRCNNConfig:
    """The network's config, for pictures of a side of `size` px."""
    own = FACADES if settings.network == "facades" else {"backbone": settings.network}
    return maskrcnn.MaskRCNNConfig(
        class_names=CLASSES[:10] if settings.network == "facades" else CLASSES,
        min_size=size,
        max_size=size,
        post_nms_test=settings.rois,
        detections_per_image=settings.detections,
        detection_min_score=0.0,
        **own,
    )


def dense_model(settings: Speed) -> maskrcnn.MaskRCNN:
    """The model before pruning, with random weights."""
    keras.utils.set_random_seed(settings.seed)
    return maskrcnn.MaskRCNN(config_of(settings, settings.size))


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


def _detect(model: maskrcnn.MaskRCNN, picture: Any) -> Any:
    return model.detect(picture)


def timed(small: maskrcnn.MaskRCNN, dense: maskrcnn.MaskRCNN, picture: Any, rounds: int) -> dict[str, Any]:
    """Columns about `detect` of both, in turns."""
    warmup = 2
    cpu: dict[bool, list[float]] = {True: [], False: []}

    def call(one: maskrcnn.MaskRCNN, what: Any) -> None:
        began = time.process_time()
        one.detect(what)
        cpu[one is small].append(1e3 * (time.process_time() - began))

    found = pruning.latency(small, picture, dense, call=call, warmup=warmup, rounds=rounds)
    assert found.against is not None
    cpu_ms, dense_cpu_ms = (statistics.median(cpu[mine][warmup:]) for mine in (True, False))
    return {
        "detect_ms": float(found), "low_ms": found.low, "high_ms": found.high,
        "dense_detect_ms": float(found.against), "speedup": found.speedup,
        "cpu_ms": cpu_ms, "dense_cpu_ms": dense_cpu_ms, "cpu_speedup": dense_cpu_ms / cpu_ms,
        "detections": len(small.detect(picture)), "dense_detections": len(dense.detect(picture)),
    }


def run(settings: Speed) -> tuple[pd.DataFrame, dict[str, Any]]:
    """All rows, and what belongs to them together."""
    settings = completed(settings)
    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    folder, model = Path(settings.output), dense_model(settings)
    shapes = model.input_shapes((settings.size, settings.size), settings.rois, settings.detections)
    pictures = maskrcnn.data.shapes(1, settings.size, settings.seed, level="hard")
    pictures = maskrcnn.data.Dataset("speed", model.config.class_names, 1, pictures.__getitem__)
    picture = pictures[0].image
    calibrated(model, pictures)

    began = time.perf_counter()
    graph = pruning.ChannelGraph(model)
    graph_seconds = time.perf_counter() - began
    dense = pruning.cost(model, shapes)
    rows: list[dict[str, Any]] = [{
        "criterion": "", "asked": 0.0, "achieved": 0.0, "params": dense.params, "macs": dense.macs,
        "file_bytes": file_bytes(model, folder),
    }]
    scores = {name: CRITERIA[name]()(graph) for name in settings.criteria}

    def timer(small: maskrcnn.MaskRCNN, dense: maskrcnn.MaskRCNN) -> pruning.Latency:
        return pruning.latency(calibrated(small, pictures), picture, dense, call=_detect, rounds=settings.rounds)

    at = {"timer": timer} if settings.measure == "latency" else {"input_shapes": shapes}
    choices = list(itertools.product(settings.criteria, settings.round_to, settings.ratios))
    with Progress() as bar:
        for criterion, round_to, ratio in bar.track(choices, description="removing and timing"):
            began = time.perf_counter()
            plan = pruning.plan(graph, scores[criterion], ratio, scope=settings.scope,
                                measure=settings.measure, round_to=round_to, **at)
            planned = time.perf_counter()
            small = pruning.remove(model, plan)
            removed = time.perf_counter()
            memory = peak_bytes()
            cost = pruning.cost(small, shapes)
            calibrated(small, pictures)
            rows.append({
                "criterion": criterion, "round_to": round_to, "asked": ratio, "achieved": plan.achieved,
                "params": cost.params, "macs": cost.macs, "file_bytes": file_bytes(small, folder),
                **timed(small, model, picture, settings.rounds),
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
    name = f"{settings.network}_latency" if settings.measure == "latency" else settings.network
    write_text(folder / f"{name}.csv", table.to_csv(index=False))
    write_text(folder / f"{name}.json", json.dumps(together, indent=1) + "\n")
    of = "the time" if settings.measure == "latency" else "MACs"
    print(f"graph: {together['graph_seconds']:.2f} s, {together['groups']} groups")
    for row in table.iloc[1:].to_dict("records"):
        print(f"{row['criterion']}, widths in {row['round_to']:.0f}s, {row['asked']:.0%} of {of} asked, "
              f"{row['achieved']:.1%} gone: {row['speedup']:.2f} times as fast ({row['dense_detect_ms']:.0f} -> "
              f"{row['detect_ms']:.0f} ms; processors {row['cpu_speedup']:.2f}); plan {row['plan_seconds']:.2f} s, "
              f"removal {row['remove_seconds']:.2f} s, peak {row['peak_bytes'] / 1e9:.2f} GB")
    print(f"written: {folder / name}.csv")
    return 0
