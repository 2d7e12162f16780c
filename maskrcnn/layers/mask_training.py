"""Targets and loss of a mask head, as layers of a graph that trains."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import tensorflow as tf

from maskrcnn import losses as loss_ops
from maskrcnn.layers.box_layer import BoxLayer, picture_sizes
from maskrcnn.layers.training_losses import LossLayer
from maskrcnn.network.forward import of_class
from maskrcnn.regions.mask_targets import mask_targets


@keras.saving.register_keras_serializable("maskrcnn")
class MaskTargets(BoxLayer):
    """The true masks of the positive regions of ProposalTargets, seen through these regions. No weights.

    Called on [targets, masks, image]: what ProposalTargets returns, masks (B, G, H, W) of 0 and 1, and pictures
    (B, H, W, 3) or their sizes without padding (B, 2); or on [targets, masks, mask_windows, image], with the masks of
    `maskrcnn.data.batches`, which are kept within their windows: (B, L) uint8 and (B, G, 4) int32. Returns a dict of a
    picture's first P = most slots, where its positives are: rois (B, P, 4), for ROIAlign; labels (B P,) int32; masks
    (B P, size, size) float32; weights (B P,) float32, 0 for a slot without a positive.

    ```python
    proposals, boxes, labels = keras.Input((50, 4)), keras.Input((None, 4)), keras.Input((None,), dtype="int32")
    targets = ProposalTargets(samples=16)([proposals, boxes, labels])
    masks, image = keras.Input((None, 128, 128), dtype="uint8"), keras.Input((128, 128, 3))
    found = MaskTargets(most=4)([targets, masks, image])
    assert found["rois"].shape == (None, 4, 4) and found["masks"].shape == (None, 28, 28)
    ```

    Args:
        size: of the mask head's answers, twice that of the regions it reads.
        most: P; `samples * positive_fraction` of ProposalTargets is all that there can be.
    """

    settings = ("size", "most")

    def __init__(self, size=28, most=32, **kwargs):
        super().__init__(**kwargs)
        self.size, self.most = size, most

    def call(self, inputs):
        targets, masks, *windows, picture = inputs
        rois, labels, matched, positive = (
            targets[name][:, : self.most] for name in ("rois", "labels", "matched", "is_positive")
        )
        pictures = tf.repeat(tf.range(tf.shape(rois)[0]), tf.shape(rois)[1])
        config = SimpleNamespace(
            mask_target_sampling_ratio=2, mask_target_binary=True, roi_aligned=True, roi_corners=False, square_fit=False
        )
        sizes = picture_sizes(picture)
        sides = tf.shape(masks)[2:] if masks.shape.rank == 4 else tf.cast(tf.reduce_max(sizes, axis=0), tf.int32)
        batch = {
            "image": tf.zeros(tf.concat([[1], sides, [1]], axis=0)),  # of which only the sides are looked at
            "image_size": sizes,
            "masks": tf.cast(masks, tf.uint8),
        } | dict(zip(["mask_windows"], windows, strict=False))
        found = mask_targets(
            batch, tf.reshape(rois, (-1, 4)), pictures, tf.reshape(matched, (-1,)), self.size, config
        )
        weights = tf.cast(tf.reshape(positive, (-1,)), tf.float32)
        return {"rois": rois, "labels": tf.reshape(labels, (-1,)), "masks": found, "weights": weights}

    def compute_output_spec(self, inputs):
        batch, slots = inputs[0]["rois"].shape[0], min(self.most, inputs[0]["rois"].shape[1])
        count = None if batch is None else batch * slots
        return {
            "rois": keras.KerasTensor((batch, slots, 4), "float32"),
            "labels": keras.KerasTensor((count,), "int32"),
            "masks": keras.KerasTensor((count, self.size, self.size), "float32"),
            "weights": keras.KerasTensor((count,), "float32"),
        }


@keras.saving.register_keras_serializable("maskrcnn")
class MaskLoss(LossLayer):
    """Trains a MaskHead: binary cross-entropy of the true class's mask, mean over the positives' pixels.

    Called on [logits, targets], what MaskHead returns for the `rois` of MaskTargets, and what that returns. Returns a
    float32 scalar.

    ```python
    proposals, boxes, labels = keras.Input((50, 4)), keras.Input((None, 4)), keras.Input((None,), dtype="int32")
    masks, image = keras.Input((None, 128, 128), dtype="uint8"), keras.Input((128, 128, 3))
    targets = MaskTargets(most=4)([ProposalTargets(samples=16)([proposals, boxes, labels]), masks, image])
    regions = ROIAlign(14)([keras.layers.Conv2D(8, 3, strides=16, padding="same")(image), targets["rois"]])
    assert MaskLoss()([MaskHead(classes=3)(regions), targets]).shape == ()
    ```

    Args:
        weight: in what is minimised.
    """

    settings = ("weight",)
    names = ("mrcnn_mask_loss",)

    def call(self, inputs, training=False):
        logits, targets = inputs
        value = loss_ops.mask_loss(of_class(logits, targets["labels"]), targets["masks"], targets["weights"])
        self.count_in([value], training)
        return value

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor((), "float32")
