"""A detector of one's own, as evaluation asks it."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.detection.detections import Detections, Measured
from maskrcnn.layers.detection_layer import STD


class OwnDetector:
    """Lets `maskrcnn.evaluate` measure a detector made of these layers: every task but the masks, which it has not.

    ```py
    detector = keras.Model(image, {"proposals": proposals, **found})  # `found` of a DetectionLayer
    rois = keras.Input((None, 4))
    head = keras.Model([image, rois], box_head(align([features, rois])))
    maskrcnn.evaluate(OwnDetector(detector, head), dataset)  # {"proposal": ..., "bbox": ..., "class": ...}
    ```

    Args:
        detector: pictures (B, H, W, 3) float32 in [0, 1] to what DetectionLayer returns, and "proposals".
        head: [pictures, boxes (B, N, 4)] to what BoxHead returns, or to [logits, deltas], as its nested model.
        delta_std: that of the DetectionLayer.
    """

    def __init__(self, detector: keras.Model, head: keras.Model, delta_std: Sequence[float] = STD) -> None:
        self.detector, self.head, self.delta_std = detector, head, tuple(delta_std)

    def measure(self, images, boxes, mask_boxes) -> list[Measured]:
        """Proposals, detections, and the answers about given boxes.

        Args:
            images: B pictures (H, W, 3) uint8 of one size.
            boxes: B arrays (K_i, 4) xyxy px.
            mask_boxes: not looked at.

        Raises:
            ValueError: pictures of several sizes.
        """
        if len(sizes := {np.shape(image) for image in images}) > 1:
            raise ValueError(f"pictures of the shapes {sorted(sizes)}: resize them to one size, or evaluate them apart")
        pictures = np.stack(images).astype("float32") / 255
        most = max(1, *map(len, boxes))
        rois = np.stack([np.pad(np.float32(these).reshape(-1, 4), [(0, most - len(these)), (0, 0)]) for these in boxes])
        found, answers = self.detector.predict_on_batch(pictures), self.head.predict_on_batch([pictures, rois])
        logits, deltas = (answers["logits"], answers["deltas"]) if isinstance(answers, dict) else answers
        classes = logits.shape[-1]
        probs = tf.nn.softmax(logits.reshape(len(images), most, classes)).numpy()
        deltas = deltas.reshape(len(images), most, classes, 4)
        height, width = pictures.shape[1:3]
        moved = box_ops.decode(deltas, rois[:, :, None], self.delta_std)
        moved = np.asarray(box_ops.clip(moved, tf.constant([[height, width]] * len(images), tf.float32)))
        return [
            self._one(found, index, probs[index, : len(these)], moved[index, : len(these)], (height, width))
            for index, these in enumerate(boxes)
        ]

    def _one(self, found, index, probs, moved, size) -> Measured:
        count, proposals = found["count"][index], found["proposals"][index]
        proposals = proposals[(proposals != 0).any(axis=-1)]
        boxes, labels, scores = (found[name][index, :count] for name in ("boxes", "labels", "scores"))
        detections = Detections(boxes, labels, scores, np.zeros((count, *size), bool))
        order = -np.arange(len(proposals), dtype="float32")  # best first
        return Measured(proposals, order, detections, boxes, scores, probs, moved, None)
