"""The whole detector as one graph: a picture as bytes in, detections in its own pixels out."""

from __future__ import annotations

import keras
import tensorflow as tf

from maskrcnn.detection.inference import Inference
from maskrcnn.export.graph_masks import paste_in_graph
from maskrcnn.export.graph_placement import graph_placement
from maskrcnn.network.forward import Forward
from maskrcnn.network.preprocessing import fit


class PictureDetector(keras.Model):
    """What is exported: preprocessing, network, proposals, detection and pasting of masks.

    Called on one picture (H, W, 3) uint8 RGB; returns a dict: boxes (N, 4) float32 xyxy px of that picture, best first,
    scores (N,) float32, labels (N,) int32 from 1, masks (N, H, W) bool or, with `masks="box"`, (N, 28, 28) float32
    probabilities in the box, and count () int32. With `padded`, N is `max_detections` and what is after the first
    `count` is zero; else N is `count`.

    Args:
        model: a MaskRCNN.
        max_detections, score_threshold: of a picture; the config's if None.
        masks: "picture" or "box".
        builtin: only operations that runtimes other than TensorFlow have, at the cost of work on empty slots.
        padded: as above; it needs `builtin`.
    """

    def __init__(self, model, max_detections=None, score_threshold=None, masks="picture", builtin=True, padded=True):
        super().__init__(dtype="float32", name="picture_detector")
        self.network = model.network  # tracked: its variables are those of the export
        self._config, self._inference = model.config, Inference(model)
        self._limits = (score_threshold, max_detections)
        self._masks, self._builtin, self._padded = masks, builtin, padded
        self.built = True

    def call(self, image):
        config = self._config
        placement = graph_placement(image, config)
        picture = fit(tf.cast(image, tf.float32) / 255.0, placement.size, config)
        picture.set_shape([*(placement.padded or (None, None)), 3])
        size = tf.cast(placement.size, tf.float32)[None]
        forward = Forward(self.network, config, picture[None], size, static_shapes=self._builtin)
        found = self._inference.detections(forward, *self._limits)
        count, probs = found["count"][0], found["mask_probs"]
        boxes, scores, labels = (found[name][0] for name in ("boxes", "scores", "labels"))
        height, width = _sides(image)
        edge = tf.cast(tf.stack([width, height, width, height]), tf.float32)
        real = tf.range(tf.shape(scores)[0]) < count
        boxes = tf.where(real[:, None], tf.minimum(placement.back(boxes), edge), 0.0)
        if not self._padded:
            boxes, scores, labels, probs = boxes[:count], scores[:count], labels[:count], probs[:count]
        else:
            labels = tf.where(real, labels, 0)
            if self._masks == "box":
                probs = tf.where(real[:, None, None], probs, 0.0)
        if self._masks == "picture":
            masks = paste_in_graph(probs, boxes, height, width, config.mask_to_box, one_by_one=not self._builtin)
            if self._padded:
                masks &= real[:, None, None]
        else:
            masks = probs
        return {"boxes": boxes, "scores": scores, "labels": labels, "masks": masks, "count": count}


def _sides(image):
    """Height and width: numbers where they are known, else int32 scalars."""
    known, shape = image.shape, tf.shape(image)
    return (known[i] if known[i] is not None else shape[i] for i in (0, 1))
