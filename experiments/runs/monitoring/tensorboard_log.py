"""What TensorBoard shows of a sweep while it runs."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import pruning
from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.monitoring.run_log import RunLog

_SAMPLES = 3


class TensorBoardLog(RunLog):
    """Writes event files into `logs` of each run's folder.

    Losses, learning rate and the sparsity asked are drawn over the updates; measures by task, sparsity by part, weights
    and detections over the number of the stage in the run.

    Raises:
        UserError: the package tensorboard is missing.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise UserError(
                "--live tensorboard needs the package tensorboard, which the extra `live` brings: "
                "pip install 'taskprune[live]'"
            )
        self._writer = tf.summary.create_noop_writer()

    def begin(self, folder: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(folder / "logs"))

    def losses(self, row: dict[str, Any]) -> None:
        with self._writer.as_default(step=row["step"]):
            for name, value in row.items():
                if name == "sparsity":
                    tf.summary.scalar("sparsity/asked", value)
                elif name not in ("step", "stage"):
                    tf.summary.scalar(f"training/{name}", value)

    def stage(self, number: int, row: dict[str, Any], model: keras.Model, problem: Problem) -> None:
        graph = pruning.ChannelGraph(model)
        declared = problem.declaration()
        with self._writer.as_default(step=number):
            tf.summary.text("stage", row["stage"])
            for task in declared.tasks:
                for measure in task.measures:
                    value = row.get(f"{task.name}_{measure.name}", np.nan)
                    if np.isfinite(value):
                        tf.summary.scalar(f"{task.name}/{measure.name}", value)
            for part, share in sparsity(graph).items():
                tf.summary.scalar(f"sparsity/{part}", share)
            for kernel in graph.kernels:
                tf.summary.histogram(f"weights/{kernel.call.path}", keras.ops.convert_to_numpy(kernel.variable))
            for index, pictures in enumerate(problem.show({"model": model}, _SAMPLES, photographs=True) or []):
                tf.summary.image(f"examples/{index}", pictures[-1][1][None])
            for title, picture in problem.inside(model).items():
                tf.summary.image(title, picture[None])
        self._writer.flush()

    def end(self) -> None:
        self._writer.close()
        self._writer = tf.summary.create_noop_writer()


def sparsity(graph: pruning.ChannelGraph) -> dict[str, float]:
    """Part -> fraction of its prunable filters that are masked."""
    gone = pruning.silent(graph)
    cut: Counter[str] = Counter()
    all_: Counter[str] = Counter()
    for group in graph.prunable:
        cut[group.part] += int(group.filters[gone[group.name]].sum())
        all_[group.part] += int(group.filters.sum())
    return {part: cut[part] / all_[part] for part in all_}
