"""Time a training step of Mask R-CNN: dense beside pruned to parts of its MACs, saliency by task, pruning's callback.

Weights are random, batch norms recalibrated on the pictures and then frozen, and the learning rate is 0: every step of
a model is the same work. The dense model and one other take turns, step by step, so that a busy machine slows both;
medians of wall and of processor milliseconds. Writes results/training_step/<network>.csv (a row for each comparison)
and <network>.json (settings, machine, versions).
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
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
import schedules
from experiments.commands import guarded
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Settings
from maskrcnn.network import freeze_batch_norm

# The second is the network of the recipe `facades`.
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet50": {},
    "mobilenet": {
        "backbone": "mobilenet", "backbone_alpha": 0.75, "fpn_width": 64, "rpn_width": 64,
        "box_head_widths": (256, 256), "mask_head_widths": (64, 64, 64, 64), "mask_deconv_width": 64,
        "rpn_samples": 128, "roi_samples": 96, "pre_nms_train": 500, "post_nms_train": 300,
    },
}  # fmt: skip


class TrainingStep(Settings):
    """What is timed."""

    network: Literal["resnet50", "mobilenet"] = "resnet50"
    """resnet50: with the widths of the paper; mobilenet: the one of the recipe facades."""
    size: Count = 512
    """height and width of the pictures, px."""
    batch_size: Count = 2
    """pictures in a step."""
    ratios: tuple[Annotated[float, Gt(0), Lt(1)], ...] = (0.5, 0.75)
    """fractions of a step's MACs to remove."""
    scope: Literal["layer", "part", "global"] = "layer"
    """where channels compete; layer takes the same share of every layer of every part."""
    round_to: tuple[Count, ...] = (1, 8, 16)
    """kept channels are rounded to multiples of each of these; 1: as they come."""
    rounds: Count = 9
    """timed steps of each; the medians count."""
    threads: int = 0
    """0: one for every core."""
    seed: int = 0
    """of weights and pictures."""
    output: str = "results/training_step"
    """folder to write into."""


class Step:
    """A model, and one update of it on one batch."""

    def __init__(self, model: maskrcnn.MaskRCNN, batch: dict[str, Any]) -> None:
        self.model, self.batch = model, batch
        self._batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
        model.compile(pruning.masked(keras.optimizers.SGD(0.0, momentum=0.9)))
        model.optimizer.build(model.trainable_variables)
        model.make_train_function()

    def __call__(self) -> None:
        float(self.model.train_function(self._batches)["loss"])


def dense_model(settings: TrainingStep) -> tuple[maskrcnn.MaskRCNN, dict[str, Any]]:
    """The model before pruning, with random weights, and the training batch."""
    keras.utils.set_random_seed(settings.seed)
    pictures = maskrcnn.data.shapes(settings.batch_size, settings.size, settings.seed, level="hard")
    config = maskrcnn.MaskRCNNConfig(
        class_names=tuple(pictures.class_names), min_size=settings.size, max_size=settings.size,
        train_batch_norm=True, **NETWORKS[settings.network],
    )  # fmt: skip
    model = maskrcnn.MaskRCNN(config)
    return model, next(iter(maskrcnn.data.batches(pictures, config, settings.batch_size, training=False)))


def calibrated(model: maskrcnn.MaskRCNN, batch: dict[str, Any]) -> maskrcnn.MaskRCNN:
    """The model with frozen batch norms that keep random weights' signals in range."""
    pruning.recalibrate(model, [batch])
    freeze_batch_norm(model.network)
    return model


def in_turns(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Medians of both calls' wall and processor milliseconds, one call after another."""
    taken: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, call in (("dense", first), ("other", second)):
            wall, processor = time.perf_counter(), time.process_time()
            call()
            if number:  # the first traces and compiles
                taken.setdefault(f"{name}_ms", []).append(1e3 * (time.perf_counter() - wall))
                taken.setdefault(f"{name}_processor_ms", []).append(1e3 * (time.process_time() - processor))
    found = {name: statistics.median(values) for name, values in taken.items()}
    found["times"] = statistics.median(a / b for a, b in zip(taken["dense_ms"], taken["other_ms"], strict=True))
    found["processor_times"] = found["dense_processor_ms"] / found["other_processor_ms"]
    return found


def pruned_rows(settings: TrainingStep, dense: Step, bar: Progress) -> list[dict[str, Any]]:
    """Dense beside smaller models."""
    model, config = dense.model, dense.model.config
    shapes = model.input_shapes((settings.size, settings.size), config.roi_samples, config.roi_samples // 8)
    graph = pruning.ChannelGraph(model)
    scores, whole = pruning.GroupL1()(graph), pruning.cost(model, shapes).macs
    rows = []
    cases = list(itertools.product(settings.round_to, settings.ratios))
    for round_to, ratio in bar.track(cases, description="smaller models"):
        plan = pruning.plan(graph, scores, ratio, scope=settings.scope, measure="macs", round_to=round_to,
                            input_shapes=shapes)
        small = pruning.remove(model, plan)  # its batch norms are frozen, as the dense ones are
        macs = pruning.cost(small, shapes).macs
        found = in_turns(dense, Step(small, dense.batch), settings.rounds)
        rows.append({"what": "pruned", "round_to": round_to, "asked": ratio, "macs_gone": 1 - macs / whole, **found})
    return rows


def saliency_rows(settings: TrainingStep, dense: Step) -> list[dict[str, Any]]:
    """A training step beside the gate gradients of all tasks, and of three of them, on the same batch."""
    graph, rows = pruning.ChannelGraph(dense.model), []
    for count in (4, 3):

        def losses(batch: Any, count: int = count) -> dict[str, Any]:
            return dict(list(dense.model.task_losses(batch).items())[:count])

        criterion = pruning.Taylor(losses, [dense.batch], progress=False)
        found = in_turns(dense, lambda criterion=criterion: criterion.by_task(graph), settings.rounds)  # type: ignore[misc]
        rows.append({"what": f"saliency of {count} tasks", **found})
    return rows


def callback_row(settings: TrainingStep, dense: Step) -> dict[str, Any]:
    """What a PruningCallback whose schedule asks for nothing adds to a step: its calls before and after one."""
    schedule = schedules.PolynomialDecay(0.0, 0.5, 10**6, 2 * 10**6, frequency=100)
    callback = pruning.PruningCallback(pruning.L1(), schedule)
    callback.set_model(dense.model)
    callback.on_train_begin()

    def thousand() -> None:
        for batch in range(1000):
            callback.on_train_batch_begin(batch)
            callback.on_train_batch_end(batch)

    found = in_turns(dense, thousand, settings.rounds)
    share = found["other_processor_ms"] / 1000 / found["dense_processor_ms"]
    return {"what": "callback, 1000 times", "share_of_step": share, **found}


def run(settings: TrainingStep) -> pd.DataFrame:
    """All rows."""
    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    model, batch = dense_model(settings)
    dense = Step(calibrated(model, batch), batch)
    dense()
    with Progress() as bar:
        rows = pruned_rows(settings, dense, bar)
    return pd.DataFrame([*rows, *saliency_rows(settings, dense), callback_row(settings, dense)])


def main() -> int:
    settings = read_flags(TrainingStep, "python -m experiments.problems.detector_speed.training_step", __doc__)
    settings = settings.model_copy(update={"threads": settings.threads or os.cpu_count() or 1})
    folder = Path(settings.output)
    folder.mkdir(parents=True, exist_ok=True)
    table = run(settings)
    write_text(folder / f"{settings.network}.csv", table.to_csv(index=False, float_format="%.6g"))
    about = {
        "settings": settings.model_dump(),
        "versions": f"keras {keras.__version__}, tensorflow {tf.__version__}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    write_text(folder / f"{settings.network}.json", json.dumps(about, indent=1) + "\n")
    for row in table.to_dict("records"):
        print(f"{row['what']}: {row['other_ms']:.0f} ms beside a dense step of {row['dense_ms']:.0f} ms")
    print(f"written: {folder / settings.network}.csv")
    return 0


if __name__ == "__main__":
    guarded(main)
