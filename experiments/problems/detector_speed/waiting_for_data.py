"""usage: python -m experiments.problems.detector_speed.waiting_for_data RECIPE [--flags]

Measure how much of a recipe's training waits for its pictures, and how long the pictures take by themselves.

A training begins as in `taskprune train`, and two epochs of --timed-steps are timed; the first, which traces the step
and fills the buffer that pictures are shuffled in, does not count. Then as many batches are read and nothing is done
with them. Writes results/waiting_for_data/<name>.csv: one row.

  --timed-steps N               updates of the epoch that counts
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

# isort: off
from experiments.runs import tensorflow_setup  # before anything that imports TensorFlow
# isort: on

import keras
import pandas as pd

from experiments.commands import guarded
from experiments.lookup import open_problem
from experiments.problem import Problem
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_settings
from experiments.settings.recipe import Count, Recipe
from maskrcnn.callbacks import DataWaiting


class Waiting(Recipe):
    """A recipe, and how long to look."""

    timed_steps: Count = 40
    """updates of the epoch that counts."""


class StepTime(keras.callbacks.Callback):
    """Seconds of the latest epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds = time.perf_counter() - self.began


def measure(problem: Problem, steps: int) -> dict[str, Any]:
    """The row.

    Args:
        problem: of a detector, with its recipe; steps: that count.
    """
    training, seed = problem.recipe.training, problem.recipe.seeds[0]
    model, batches = problem.model(seed), problem.batches("train", seed)
    problem.compile(model, keras.optimizers.SGD(0.0))  # the same work, and nothing that can diverge
    waiting, clock = DataWaiting(), StepTime()
    model.fit(batches, steps_per_epoch=steps, epochs=2, verbose=0, callbacks=[waiting, clock])
    alone = iter(batches)
    next(alone)
    began = time.perf_counter()
    for _ in range(steps):
        next(alone)
    pictures = steps * training.batch_size
    config = model.config
    return {
        "recipe": problem.recipe.name, "min_size": config.min_size, "max_size": config.max_size,
        "batch_size": training.batch_size, "steps": steps, "threads": problem.recipe.threads or os.cpu_count(),
        "waiting": waiting.share,
        "step_ms": 1e3 * clock.seconds / steps, "data_ms_a_picture": 1e3 * (time.perf_counter() - began) / pictures,
    }  # fmt: skip


def main() -> int:
    settings = read_settings(Waiting, __doc__ or "", sys.argv[1:])
    tensorflow_setup.prepare(settings.threads)
    row = measure(open_problem(settings), settings.timed_steps)
    path = Path(settings.results) / "waiting_for_data" / f"{row['recipe']}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, pd.DataFrame([row]).to_csv(index=False, float_format="%.6g"))
    print(
        f"{row['waiting']:.1%} of the training waits for data; a step of {row['batch_size']} takes "
        f"{row['step_ms']:.0f} ms, a picture by itself {row['data_ms_a_picture']:.1f} ms"
    )
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    guarded(main)
