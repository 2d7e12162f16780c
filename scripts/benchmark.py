"""Time `detect`, with constant weights too, and a training step of ResNet-50-FPN beside torchvision's.

Same weights, same pictures, one run.

Twice: on pictures of few objects, and on pictures of many. The two take turns, so that a busy machine slows both; the
medians and their ratio count. Weights are random: the class layer is scaled until there are detections, so that the
mask heads have work. Then both detect, and train, in processes of their own, and the most memory that each had
is compared. Needs the extra `bench` (torch, torchvision). Writes results/benchmark/: benchmark.json, benchmark.csv
(every timing).
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# isort: off
from experiments.problems.detector_speed.torchvision_model import Torchvision, torch, torchvision  # before TensorFlow
from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
# isort: on

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from rich.progress import Progress

import maskrcnn
from experiments.commands import guarded
from experiments.problems.detector_speed.crowded_pictures import crowded
from experiments.problems.detector_speed.our_model import Ours
from experiments.problems.detector_speed.peak_memory import peaks
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Settings

KINDS = ("detect", "frozen", "train")  # frozen: `detect` with constant weights


class Benchmark(Settings):
    """What is timed."""

    size: Count = 512
    """height and width of the pictures, px; a multiple of 8."""
    many: Count = 40
    """objects of a picture in the second setting; the first has Shapes hard's one to six."""
    batch_size: Count = 2
    """pictures in a training step."""
    rounds: Count = 9
    """timings of each kind; their median counts."""
    warmup: Count = 2
    """rounds before, not counted; the first compiles."""
    threads: int = 0
    """of both; 0: one for every core."""
    seed: int = 0
    """of weights and pictures."""
    output: str = "results/benchmark"
    """folder to write into."""


def agreement(ours: maskrcnn.Detections, theirs: dict[str, Any]) -> dict[str, float]:
    """How many detections there are, and how far the boxes of both lie apart (px, median of the nearest)."""
    boxes = theirs["boxes"].numpy()
    apart = np.abs(ours.boxes[:, None] - boxes[None]).max(axis=2).min(axis=1) if len(ours) and len(boxes) else []
    return {
        "detections": len(ours),
        "torchvision_detections": len(boxes),
        "box_difference_px": float(np.median(apart)) if len(apart) else float("nan"),
    }


def timed(call: Callable[[], Any]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare(
    settings: Benchmark, samples: list[maskrcnn.data.Sample], name: str, bar: Progress
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The summary on these pictures, and every timing.

    Args:
        settings: of the run; samples: a training step's pictures, the first of which is detected in; name: of the
            setting; bar: shows how far it is.
    """
    theirs = Torchvision(settings.size, samples, settings.threads, settings.seed)
    ours = Ours(settings.size, samples, theirs.state())
    alike = agreement(ours.detect(), theirs.detect())
    ours.freeze()
    calls = {
        ("detect", "taskprune"): ours.detect, ("detect", "torchvision"): theirs.detect,
        ("frozen", "taskprune"): ours.detect_frozen, ("frozen", "torchvision"): theirs.detect,
        ("train", "taskprune"): ours.step, ("train", "torchvision"): theirs.step,
    }
    rows = []
    for number in bar.track(range(settings.warmup + settings.rounds), description=f"timing, {name} objects"):
        for (kind, who), call in calls.items():
            seconds = timed(call)
            if number >= settings.warmup:
                rows.append({"objects": name, "round": number - settings.warmup, "kind": kind, "who": who,
                             "seconds": seconds})
    table = pd.DataFrame(rows)
    found: dict[str, Any] = {"objects": [len(sample.labels) for sample in samples]}
    for kind in KINDS:
        median = {
            who: statistics.median(table.loc[(table["kind"] == kind) & (table["who"] == who), "seconds"])
            for who in ("taskprune", "torchvision")
        }
        found[kind] = {f"{who}_s": round(value, 4) for who, value in median.items()}
        found[kind]["ratio"] = round(median["taskprune"] / median["torchvision"], 3)
    memory = peaks(settings.size, settings.threads, theirs.state(), samples)
    return {**found, "memory": memory, "agreement": alike}, table


def run(settings: Benchmark) -> tuple[dict[str, Any], pd.DataFrame]:
    """All timings, and their summary."""
    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tf.config.threading.set_inter_op_parallelism_threads(settings.threads)
    few = maskrcnn.data.shapes(settings.batch_size, settings.size, settings.seed, level="hard")
    pictures = {
        "few": [few[i] for i in range(len(few))],
        "many": crowded(settings.batch_size, settings.size, settings.many, settings.seed),
    }
    with Progress() as bar:
        compared = {name: compare(settings, samples, name, bar) for name, samples in pictures.items()}
    versions = f"keras {keras.__version__}, tensorflow {tf.__version__}, "
    versions += f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    found: dict[str, Any] = {name: summary for name, (summary, _) in compared.items()}
    found |= {"settings": settings.model_dump(), "versions": versions, "machine": machine}
    return found, pd.concat([table for _, table in compared.values()], ignore_index=True)


def main() -> int:
    settings = read_flags(Benchmark, "benchmark.py", __doc__)
    settings = settings.model_copy(update={"threads": settings.threads or os.cpu_count() or 1})
    found, table = run(settings)
    folder = Path(settings.output)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "benchmark.json", json.dumps(found, indent=1) + "\n")
    write_text(folder / "benchmark.csv", table.to_csv(index=False))
    for name in ("few", "many"):
        print(f"{name} objects ({', '.join(map(str, found[name]['objects']))}):")
        for kind, what in zip(KINDS, ("a picture", "a picture", f"a step of {settings.batch_size}"), strict=True):
            row = found[name][kind]
            print(f"  {kind:7} {row['taskprune_s']:.3f} s {what}, torchvision {row['torchvision_s']:.3f} s, "
                  f"ratio {row['ratio']:.2f}")
        for kind, held in found[name]["memory"].items():
            told = (f"{who} {row['peak_bytes'] / 1e9:.2f} GB ({row['before_bytes'] / 1e9:.2f} before)"
                    for who, row in held.items())
            print(f"  memory, {kind}: " + ", ".join(told))
    print(f"written: {folder / 'benchmark.json'}")
    return 0


if __name__ == "__main__":
    guarded(main)
