"""What TensorBoard shows of a sweep while it runs."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import maskrcnn
import pruning
from command import UserError
from drawing import draw_detections
from live import Log
from maskrcnn.evaluation import MEASURES

_PICTURES = 3
_SURE = 0.5  # detections below this score are not drawn


class TensorBoard(Log):
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
                "pip install -c constraints.txt -e '.[live]'"
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

    def stage(self, number: int, row: dict[str, Any], model: maskrcnn.MaskRCNN, images: list[np.ndarray]) -> None:
        graph = pruning.ChannelGraph(model)
        with self._writer.as_default(step=number):
            tf.summary.text("stage", row["stage"])
            for name, measure in MEASURES.items():
                if name in row and np.isfinite(row[name]):
                    tf.summary.scalar(f"{measure.task}/{measure.name}", row[name])
            for part, share in sparsity(graph).items():
                tf.summary.scalar(f"sparsity/{part}", share)
            for kernel in graph.kernels:
                tf.summary.histogram(f"weights/{kernel.call.path}", keras.ops.convert_to_numpy(kernel.variable))
            for index, image in enumerate(images[:_PICTURES]):
                found = model.detect(image, score_threshold=_SURE, max_detections=row["macs_detections"])
                drawn = np.asarray(draw_detections(image, found, model.config.class_names))
                tf.summary.image(f"detections/{index}", drawn[None])
        self._writer.flush()

    def end(self) -> None:
        self._writer.close()
        self._writer = tf.summary.create_noop_writer()


def sparsity(graph: pruning.ChannelGraph) -> dict[str, float]:
    """Part -> fraction of its prunable filters that are zero."""
    gone = pruning.silent(graph)
    cut: Counter[str] = Counter()
    all_: Counter[str] = Counter()
    for group in graph.prunable:
        cut[group.part] += int(group.filters[gone[group.name]].sum())
        all_[group.part] += int(group.filters.sum())
    return {part: cut[part] / all_[part] for part in all_}
