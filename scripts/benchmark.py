"""Time `detect` and a training step of ResNet-50-FPN beside torchvision's: same weights, same pictures, one run.

Twice: on pictures of few objects, and on pictures of many. The two take turns, so that a busy machine slows both; the
medians and their ratio count. Weights are random: the class layer is scaled until there are detections, so that the
mask heads have work. Then both detect in a process of their own, and the most memory that each had is compared. Needs
the extra `bench` (torch, torchvision). Writes results/benchmark/: benchmark.json, benchmark.csv (every timing).
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
try:  # before TensorFlow: the other order crashes, as both bring libraries of the same names
    import torch
    import torchvision
except ImportError:
    torch = torchvision = None
from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
# isort: on

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from rich.progress import Progress

import maskrcnn
from experiments.commands import guarded
from experiments.errors import UserError
from experiments.problems.detector_speed.peak_memory import CLASSES, our_model, peaks
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Settings


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


def crowded(count: int, size: int, objects: int, seed: int) -> list[maskrcnn.data.Sample]:
    """Pictures of exactly so many objects: mosaics of small ones of Shapes hard.

    Args:
        count: pictures; size: of their sides, px; objects: in each; seed: of the small pictures.
    """
    tiles = 4
    while True:
        side = size // tiles
        small = maskrcnn.data.shapes(count * tiles**2, side, seed, level="hard")
        samples: list[maskrcnn.data.Sample] = []
        for first in range(0, len(small), tiles**2):
            image, masks, labels = np.zeros((size, size, 3), np.uint8), [], []
            for place in range(tiles**2):
                sample, (row, column) = small[first + place], divmod(place, tiles)
                window = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
                image[window] = sample.image
                for mask, label in zip(sample.masks, sample.labels, strict=True):
                    masks.append(np.zeros((size, size), bool))
                    masks[-1][window] = mask
                    labels.append(int(label))
            if len(masks) < objects:
                break
            kept = np.sort(np.random.default_rng([seed, first]).permutation(len(masks))[:objects])
            samples.append(
                maskrcnn.data.Sample.of(image, np.array(masks)[kept], np.array(labels)[kept], image_id=len(samples) + 1)
            )
        else:
            return samples
        tiles *= 2


class Torchvision:
    """torchvision's model with random weights, and its two timed calls.

    Args:
        settings: of the run.
        samples: the pictures; the first is the one to detect in.

    Raises:
        UserError: torch or torchvision is not installed.
    """

    def __init__(self, settings: Benchmark, samples: list[maskrcnn.data.Sample]) -> None:
        if torch is None:
            raise UserError(
                "torch and torchvision are not installed: pip install -c constraints.txt -e '.[bench]', or make "
                "benchmark"
            )
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        size = settings.size
        self.model = torchvision.models.detection.maskrcnn_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=CLASSES + 1, min_size=size, max_size=size
        )
        self.images = [torch.from_numpy(s.image.copy()).permute(2, 0, 1).float() / 255 for s in samples]
        self.targets = [
            {
                "boxes": torch.from_numpy(s.boxes),
                "labels": torch.from_numpy(s.labels.astype(np.int64)),
                "masks": torch.from_numpy(s.masks.astype(np.uint8)),
            }
            for s in samples
        ]
        self._freeze_batch_norm()
        self._sharpen()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-5, momentum=0.9)

    def _freeze_batch_norm(self) -> None:
        """Frozen batch norm, as with any pretrained backbone, with the statistics of the pictures."""
        body = self.model.backbone.body
        self.model.train()
        with torch.no_grad():
            for layer in body.modules():
                if isinstance(layer, torch.nn.BatchNorm2d):
                    layer.momentum = 1.0
            self.model(self.images, self.targets)
        for parent in list(body.modules()):
            for name, layer in list(parent.named_children()):
                if isinstance(layer, torch.nn.BatchNorm2d):
                    frozen = torchvision.ops.FrozenBatchNorm2d(layer.num_features, layer.eps)
                    frozen.load_state_dict(layer.state_dict())
                    setattr(parent, name, frozen)

    def _sharpen(self) -> None:
        """Scale the class layer until there are detections."""
        head = self.model.roi_heads.box_predictor.cls_score
        for _ in range(12):
            if len(self.detect()["boxes"]) >= 20:
                return
            with torch.no_grad():
                head.weight *= 2.0
        raise RuntimeError("the random network detects nothing: choose another --seed")

    def detect(self) -> dict[str, Any]:
        self.model.eval()
        with torch.inference_mode():
            return self.model(self.images[:1])[0]

    def step(self) -> None:
        self.model.train()
        self.optimizer.zero_grad()
        sum(self.model(self.images, self.targets).values()).backward()
        self.optimizer.step()

    def state(self) -> dict[str, np.ndarray]:
        return {name: value.detach().numpy().copy() for name, value in self.model.state_dict().items()}


class Ours:
    """Our model with the same weights, and its two timed calls."""

    def __init__(self, settings: Benchmark, samples: list[maskrcnn.data.Sample], state: dict) -> None:
        self.model = our_model(settings.size, state)
        names, config = self.model.config.class_names, self.model.config
        self.image = samples[0].image
        data = maskrcnn.data.Dataset("benchmark", names, len(samples), samples.__getitem__)
        batch = next(iter(maskrcnn.data.batches(data, config, len(samples), training=False)))
        self.batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
        self.model.compile(keras.optimizers.SGD(1e-5, momentum=0.9))
        self.model.make_train_function()

    def detect(self) -> maskrcnn.Detections:
        return self.model.detect(self.image)

    def step(self) -> None:
        logs = self.model.train_function(self.batches)
        float(logs["loss"])


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
    theirs = Torchvision(settings, samples)
    ours = Ours(settings, samples, theirs.state())
    alike = agreement(ours.detect(), theirs.detect())
    calls = {
        ("detect", "taskprune"): ours.detect, ("detect", "torchvision"): theirs.detect,
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
    for kind in ("detect", "train"):
        median = {
            who: statistics.median(table.loc[(table["kind"] == kind) & (table["who"] == who), "seconds"])
            for who in ("taskprune", "torchvision")
        }
        found[kind] = {f"{who}_s": round(value, 4) for who, value in median.items()}
        found[kind]["ratio"] = round(median["taskprune"] / median["torchvision"], 3)
    memory = peaks(settings.size, settings.threads, theirs.state(), samples[0].image)
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
        for kind, what in (("detect", "a picture"), ("train", f"a step of {settings.batch_size}")):
            row = found[name][kind]
            print(f"  {kind:7} {row['taskprune_s']:.3f} s {what}, torchvision {row['torchvision_s']:.3f} s, "
                  f"ratio {row['ratio']:.2f}")
        held = found[name]["memory"]
        print("  memory  " + ", ".join(f"{who} {row['peak_bytes'] / 1e9:.2f} GB (before detecting "
                                       f"{row['before_bytes'] / 1e9:.2f})" for who, row in held.items()))
    print(f"written: {folder / 'benchmark.json'}")
    return 0


if __name__ == "__main__":
    guarded(main)
