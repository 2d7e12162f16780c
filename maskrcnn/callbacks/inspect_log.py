"""The figures of `maskrcnn.inspect` in TensorBoard, while a model trains."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf


class Inspect(keras.callbacks.Callback):
    """Writes every stage of some pictures, activations and weight histograms into TensorBoard's event files.

    ```python
    model.fit(train, epochs=12, callbacks=[maskrcnn.callbacks.Inspect("logs", test[0], layers=["fpn_output2"])])
    # tensorboard --logdir logs
    ```

    Images are called "<stage> <title>/<figure>", histograms "weights/<layer>" and the shares of their channels that are
    0 "zero channels/<layer>"; the step is the number of epochs that are done.

    Args:
        folder: of the event files.
        samples: a Sample, whose objects the anchors are matched with, or a picture (H, W, 3), or several of either.
        every: epochs from one time to the next.
        layers: whose activations are written.
        score_threshold: only detections above it are drawn.

    Raises:
        ImportError: the package tensorboard is missing.
    """

    def __init__(
        self,
        folder: str | Path,
        samples: Any,
        every: int = 1,
        layers: Sequence[str] = (),
        score_threshold: float = 0.5,
    ) -> None:
        super().__init__()
        if importlib.util.find_spec("tensorboard") is None:
            raise ImportError(
                "maskrcnn.callbacks.Inspect needs the package tensorboard, which the extra `live` brings: "
                "pip install 'taskprune[live]'"
            )
        if every < 1:
            raise ValueError(f"every={every}: at least 1 epoch is needed")
        self._folder, self._every = str(folder), every
        self._layers, self._score_threshold = list(layers), score_threshold
        several = isinstance(samples, list | tuple)
        self._samples = list(samples) if several else [samples]

    def on_train_begin(self, logs=None):
        self._writer = tf.summary.create_file_writer(self._folder)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self._every == 0:
            self.write(self.model, epoch + 1)

    def on_train_end(self, logs=None):
        self._writer.close()

    def write(self, model: Any, step: int) -> None:
        """Write the figures of a model as they are now."""
        from maskrcnn import inspect  # with matplotlib, which training needs for nothing else

        with self._writer.as_default(step=step):
            for number, sample in enumerate(self._samples):
                image = getattr(sample, "image", sample)
                stages = inspect.trace(model, image, None if image is sample else sample, self._score_threshold)
                panels = inspect.stage_panels(stages)
                if self._layers:
                    panels += inspect.activation_panels(inspect.activations(model, image, self._layers))
                which = f" of picture {number + 1}" if len(self._samples) > 1 else ""
                for title, picture in inspect.drawn_panels(panels).items():
                    tf.summary.image(title + which, picture[None])
            for layer in inspect.layer_weights(model):
                tf.summary.histogram(f"weights/{layer.layer}", layer.values)
                tf.summary.scalar(f"zero channels/{layer.layer}", float(layer.zero.mean()))
        self._writer.flush()
