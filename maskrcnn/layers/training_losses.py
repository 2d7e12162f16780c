"""The losses of the detector's parts, as layers that add them to what `fit` minimises."""

from __future__ import annotations

import keras
import tensorflow as tf

from maskrcnn import losses as loss_ops
from maskrcnn.layers.box_layer import BoxLayer

BETA = 1.0 / 9.0


class LossLayer(BoxLayer):
    """Adds its losses, weighted, to the model's, shows each of them while it trains, and returns them.

    Attributes:
        names: of the losses, as `fit` shows them.
    """

    names: tuple[str, ...] = ()

    def __init__(self, weight=1.0, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight
        self._means = [keras.metrics.Mean(name=name) for name in self.names]

    def count_in(self, values, training) -> None:
        """Add the losses, in the order of `names`, to what is minimised and what is shown."""
        self.add_loss(self.weight * tf.add_n(values))
        if training:
            for mean, value in zip(self._means, values, strict=True):
                mean.update_state(value)


@keras.saving.register_keras_serializable("maskrcnn")
class RegionProposalLoss(LossLayer):
    """Trains a RegionProposal: cross-entropy of objectness, and smooth L1 of the positives' deltas.

    Called on [rpn, targets], what RegionProposal and AnchorTargets return. Returns their sum, a float32 scalar. Both
    are divided by the number of sampled anchors.

    ```python
    features, boxes = keras.Input((8, 8, 32), name="features"), keras.Input((None, 4), name="boxes")
    labels = keras.Input((None,), name="labels", dtype="int32")
    rpn = RegionProposal((32, 64))(features)
    loss = RegionProposalLoss()([rpn, AnchorTargets()([rpn, boxes, labels])])
    model = keras.Model([features, boxes, labels], {"proposal": loss})
    model.compile("sgd")
    batch = [np.ones((2, 8, 8, 32)), np.float32([[[0, 0, 50, 60]]] * 2), np.ones((2, 1))]
    history = model.fit(batch, verbose=0).history
    assert set(history) == {"loss", "rpn_class_loss", "rpn_bbox_loss"}
    ```

    Args:
        beta: up to here smooth L1 is quadratic.
        weight: of the sum in what is minimised.
    """

    settings = ("beta", "weight")
    names = ("rpn_class_loss", "rpn_bbox_loss")

    def __init__(self, beta=BETA, weight=1.0, **kwargs):
        super().__init__(weight, **kwargs)
        self.beta = beta

    def call(self, inputs, training=False):
        rpn, targets = inputs
        logits = tf.gather(tf.concat(rpn["objectness"], axis=1), targets["indices"], batch_dims=1)
        deltas = tf.gather(tf.concat(rpn["deltas"], axis=1), targets["indices"], batch_dims=1)
        flags = targets["is_positive"], targets["is_sampled"]
        values = [
            loss_ops.objectness_loss(logits, *flags),
            loss_ops.box_loss(deltas, targets["deltas"], *flags, self.beta),
        ]
        self.count_in(values, training)
        return values[0] + values[1]

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor((), "float32")


@keras.saving.register_keras_serializable("maskrcnn")
class RegionLoss(LossLayer):
    """Trains a BoxHead: cross-entropy of the classes, and smooth L1 of the positives' deltas of the true class.

    Called on [answers, targets], what BoxHead returns for the `rois` of ProposalTargets, and what that returns. Returns
    {"class", "bbox"} of float32 scalars. Both are divided by the number of sampled regions.

    ```python
    features, boxes, labels = keras.Input((8, 8, 32)), keras.Input((None, 4)), keras.Input((None,), dtype="int32")
    targets = ProposalTargets(samples=16)([Proposals(50)(RegionProposal((32, 64))(features)), boxes, labels])
    losses = RegionLoss()([BoxHead(classes=3)(ROIAlign(7)([features, targets["rois"]])), targets])
    assert set(losses) == {"class", "bbox"} and losses["class"].shape == ()
    ```

    Args:
        beta: up to here smooth L1 is quadratic.
        weight: of the sum in what is minimised.
    """

    settings = ("beta", "weight")
    names = ("mrcnn_class_loss", "mrcnn_bbox_loss")

    def __init__(self, beta=BETA, weight=1.0, **kwargs):
        super().__init__(weight, **kwargs)
        self.beta = beta

    def call(self, inputs, training=False):
        answers, targets = inputs
        shape, classes = tf.shape(targets["labels"]), answers["logits"].shape[-1]
        logits = tf.reshape(answers["logits"], (shape[0], shape[1], classes))
        deltas = tf.reshape(answers["deltas"], (shape[0], shape[1], classes, 4))
        deltas = tf.gather(deltas, targets["labels"], batch_dims=2)
        flags = targets["is_positive"], targets["is_sampled"]
        values = [
            loss_ops.class_loss(logits, targets["labels"], targets["is_sampled"]),
            loss_ops.box_loss(deltas, targets["deltas"], *flags, self.beta),
        ]
        self.count_in(values, training)
        return {"class": values[0], "bbox": values[1]}

    def compute_output_spec(self, inputs, training=False):
        return {"class": keras.KerasTensor((), "float32"), "bbox": keras.KerasTensor((), "float32")}
