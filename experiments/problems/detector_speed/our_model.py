"""This project's Mask R-CNN ResNet-50-FPN with torchvision's weights, as the benchmark times and weighs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# isort: off
from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
# isort: on

import keras
import numpy as np
import tensorflow as tf

import maskrcnn


class Ours:
    """The model, and its calls.

    Args:
        size: height and width of the pictures, px.
        samples: the pictures of a training step; the first is the one to detect in.
        state: torchvision's weights by name.

    Raises:
        RuntimeError: weights are missing.
    """

    def __init__(self, size: int, samples: Sequence[maskrcnn.data.Sample], state: Mapping[str, np.ndarray]) -> None:
        classes = len(state["roi_heads.box_predictor.cls_score.bias"])  # the first is the background
        names = tuple(f"class {number}" for number in range(1, classes))
        self.model = maskrcnn.MaskRCNN(maskrcnn.MaskRCNNConfig.torchvision(names, min_size=size, max_size=size))
        report = maskrcnn.weights.load_torchvision(self.model, dict(state))
        if report.missing:
            raise RuntimeError(f"weights are missing: {report}")
        self.images = [sample.image for sample in samples]
        data = maskrcnn.data.Dataset("benchmark", names, len(samples), samples.__getitem__)
        batch = next(iter(maskrcnn.data.batches(data, self.model.config, len(samples), training=False)))
        self.batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
        self.model.compile(keras.optimizers.SGD(1e-5, momentum=0.9))
        self.model.make_train_function()

    def detect(self) -> maskrcnn.Detections:
        return self.model.detect(self.images[0])

    def freeze(self) -> None:
        """Take the weights as they are now for `detect_frozen`."""
        self._frozen = maskrcnn.FrozenDetector(self.model)

    def detect_frozen(self) -> maskrcnn.Detections:
        return self._frozen.detect(self.images[0])

    def detect_all(self) -> list[maskrcnn.Detections]:
        return self.model.detect(self.images)

    def step(self) -> None:
        logs = self.model.train_function(self.batches)
        float(logs["loss"])
