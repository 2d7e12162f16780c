"""From the box head's answers to detections."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import tensorflow as tf

from maskrcnn.layers.box_layer import BoxLayer, count_boxes, picture_sizes
from maskrcnn.regions.second_stage import detect_boxes, second_stage

STD = (0.1, 0.1, 0.2, 0.2)


@keras.saving.register_keras_serializable("maskrcnn")
class DetectionLayer(BoxLayer):
    """Detections, best first: boxes moved as their class asks, near copies suppressed class by class. No weights.

    Called on [answers, proposals, image]: what BoxHead returns for the proposals (B, N, 4), whose empty slots are zero,
    and pictures (B, H, W, 3), or their sizes without padding (B, 2). Returns a dict: boxes (B, most, 4) float32 xyxy
    px, scores (B, most) float32, labels (B, most) int32 from 1, count (B,) int32; zero after the first `count`.

    ```python
    image, regions, proposals = keras.Input((128, 128, 3)), keras.Input((7, 7, 64)), keras.Input((300, 4))
    found = DetectionLayer(most=20)([BoxHead(classes=3)(regions), proposals, image])
    assert found["boxes"].shape == (None, 20, 4) and found["labels"].shape == (None, 20)
    ```

    Args:
        most: detections kept of a picture.
        min_score: scores have to be above it.
        nms_iou: a box that overlaps a better one of its class by more than this is left out.
        delta_std: deltas are in units of it; that of `ProposalTargets`.
    """

    settings = ("most", "min_score", "nms_iou", "delta_std")

    def __init__(self, most=100, min_score=0.05, nms_iou=0.5, delta_std=STD, **kwargs):
        super().__init__(**kwargs)
        self.most, self.min_score, self.nms_iou, self.delta_std = most, min_score, nms_iou, tuple(delta_std)

    def call(self, inputs):
        answers, proposals, picture = inputs
        batch, slots = tf.shape(proposals)[0], tf.shape(proposals)[1]
        classes = answers["logits"].shape[-1]
        logits = tf.reshape(answers["logits"], (batch, slots, classes))
        deltas = tf.reshape(answers["deltas"], (batch, slots, classes, 4))
        stage = SimpleNamespace(  # as `network.forward.Forward`, for which these functions are written
            config=SimpleNamespace(
                box_delta_std=self.delta_std,
                detection_nms_iou=self.nms_iou,
                one_class_per_region=False,
                flat_box_ends_class=False,
                box_last_pixel=False,
            ),
            extent=picture_sizes(picture),
            static_shapes=False,
            classify=lambda rois: (logits, deltas),
        )
        probs, boxes = second_stage(stage, (proposals, None, count_boxes(proposals)))
        boxes, scores, labels, count = detect_boxes(stage, probs, boxes, self.min_score, self.most)
        return {"boxes": boxes, "scores": scores, "labels": labels, "count": count}

    def compute_output_spec(self, inputs):
        batch = inputs[1].shape[0]
        return {
            "boxes": keras.KerasTensor((batch, self.most, 4), "float32"),
            "scores": keras.KerasTensor((batch, self.most), "float32"),
            "labels": keras.KerasTensor((batch, self.most), "int32"),
            "count": keras.KerasTensor((batch,), "int32"),
        }
