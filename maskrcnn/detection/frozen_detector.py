"""Detection with weights that change no more."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from maskrcnn.config import MaskRCNNConfig
from maskrcnn.detection.inference import Inference


class FrozenDetector:
    """`MaskRCNN.detect` with the weights as they are when this is made.

    They are constants of its graph: TensorFlow brings them into the layout of its kernels once, not at every call, and
    batch norms are folded once. How much that gains is in docs/speed.md. Making it takes some seconds, the weights are
    held twice, and no later change of the model's counts.

    Args:
        model: a MaskRCNN, pruned or not.
        max_detections: of a picture at most; the config's `detections_per_image` if None.
    """

    def __init__(self, model, max_detections: int | None = None) -> None:
        self.config: MaskRCNNConfig = model.config
        self._limit = self.config.detections_per_image if max_detections is None else int(max_detections)
        self._inference = Inference(model, _with_constants)
        self._inference.detect_graph(self._limit)

    def detect(self, image, score_threshold: float | None = None, batch_size: int = 4):
        """Find the objects of one picture, or of each of a list of pictures, as `MaskRCNN.detect` does."""
        return self._inference.detect(image, score_threshold, self._limit, batch_size)


def _with_constants(graph):
    """The concrete function of tensors to a dict, its variables' values in the place of the variables."""
    constant = convert_variables_to_constants_v2(graph, lower_control_flow=False)
    names = sorted(graph.structured_outputs)  # the order in which TensorFlow flattens a dict
    return lambda *given: dict(zip(names, constant(*map(tf.convert_to_tensor, given)), strict=True))
