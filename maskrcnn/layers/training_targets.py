"""What the heads should answer, as layers of a graph that trains."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import tensorflow as tf

from maskrcnn.layers.box_layer import BoxLayer, count_boxes, objects
from maskrcnn.layers.detection_layer import STD
from maskrcnn.proposals.anchor_targets import anchor_targets
from maskrcnn.regions.roi_targets import roi_targets
from maskrcnn.regions.sampling import random_priority


class Sampler(BoxLayer):
    """A layer that draws samples: others at each call in training, always the same ones at inference.

    They are a function of the seed and of how often it was called in training, which is kept with the weights, so that
    a training that goes on draws what an unbroken one would.

    Attributes:
        stream: tells the random numbers of two kinds of samples apart.
    """

    stream = 0

    def __init__(self, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, input_shape):
        self.step = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, aggregation="only_first_replica", name="step"
        )

    def draw(self, shape, training):
        """Random priorities of a shape, see `balanced_sample`."""
        step = tf.convert_to_tensor(self.step)
        if training:
            self.step.assign(step + 1)
        return random_priority(shape, self.seed, step if training else -1, self.stream)


@keras.saving.register_keras_serializable("maskrcnn")
class AnchorTargets(Sampler):
    """Anchors matched to objects, and the balanced sample of them that trains an RPN. No gradient.

    Called on [rpn, boxes, labels] or [rpn, boxes, labels, crowd]: what RegionProposal returns, (B, G, 4) xyxy px,
    (B, G) int from 1, 0 for no object, and (B, G), true for a group, which is no object to find. Returns a dict of the
    S samples, numbered over the maps: indices (B, S) int32, is_positive and is_sampled (B, S) bool, deltas (B, S, 4).

    ```python
    features, boxes, labels = keras.Input((8, 8, 32)), keras.Input((None, 4)), keras.Input((None,), dtype="int32")
    targets = AnchorTargets(samples=64)([RegionProposal((32, 64))(features), boxes, labels])
    assert targets["deltas"].shape == (None, 64, 4)
    ```

    Args:
        samples: S, anchors of a picture; positive_fraction: at most so many of them are positive.
        positive_iou, negative_iou: an anchor is positive from the one on, and negative below the other.
        seed: of the samples.
    """

    settings = ("samples", "positive_fraction", "positive_iou", "negative_iou", "seed")

    def __init__(self, samples=256, positive_fraction=0.5, positive_iou=0.7, negative_iou=0.3, seed=0, **kwargs):
        super().__init__(seed, **kwargs)
        self.samples, self.positive_fraction = samples, positive_fraction
        self.positive_iou, self.negative_iou = positive_iou, negative_iou

    def call(self, inputs, training=False):
        rpn, *truth = inputs
        config = SimpleNamespace(
            rpn_samples=self.samples,
            rpn_positive_fraction=self.positive_fraction,
            rpn_positive_iou=self.positive_iou,
            rpn_negative_iou=self.negative_iou,
            rpn_delta_std=(1.0, 1.0, 1.0, 1.0),
        )
        anchors = tf.concat(rpn["anchors"], axis=0)
        pictures = tf.shape(rpn["objectness"][0])[0]
        priority = self.draw(tf.stack([pictures, tf.shape(anchors)[0]]), training)
        targets = anchor_targets(anchors, objects(*truth), config, priority)
        return {name: targets[name] for name in ("indices", "is_positive", "is_sampled", "deltas")}

    def compute_output_spec(self, inputs, training=False):
        slots = (inputs[0]["objectness"][0].shape[0], self.samples)
        return {
            "indices": keras.KerasTensor(slots, "int32"),
            "is_positive": keras.KerasTensor(slots, "bool"),
            "is_sampled": keras.KerasTensor(slots, "bool"),
            "deltas": keras.KerasTensor((*slots, 4), "float32"),
        }


@keras.saving.register_keras_serializable("maskrcnn")
class ProposalTargets(Sampler):
    """Proposals matched to objects, and the balanced sample of them that trains the heads. No gradient.

    The true boxes are among the proposals, so that early training has positives. Called on [proposals, boxes, labels]
    or [proposals, boxes, labels, crowd], see `Proposals` and `AnchorTargets`. Returns a dict: rois (B, S, 4), labels
    (B, S) int32, 0 for background; matched (B, S) int32, which object; deltas (B, S, 4); is_positive, is_sampled (B, S)
    bool; positives first.

    ```python
    proposals, boxes = keras.Input((300, 4)), keras.Input((None, 4))
    targets = ProposalTargets(samples=64)([proposals, boxes, keras.Input((None,), dtype="int32")])
    assert targets["rois"].shape == (None, 64, 4) and targets["labels"].shape == (None, 64)
    ```

    Args:
        samples: S, regions of a picture; positive_fraction: at most so many of them are positive.
        positive_iou: from here on a proposal is of the object that it overlaps most, below it background.
        delta_std: deltas are divided by it.
        seed: of the samples.
    """

    settings = ("samples", "positive_fraction", "positive_iou", "delta_std", "seed")
    stream = 1

    def __init__(self, samples=128, positive_fraction=0.25, positive_iou=0.5, delta_std=STD, seed=0, **kwargs):
        super().__init__(seed, **kwargs)
        self.samples, self.positive_fraction = samples, positive_fraction
        self.positive_iou, self.delta_std = positive_iou, tuple(delta_std)

    def call(self, inputs, training=False):
        proposals, *truth = inputs
        config = SimpleNamespace(
            roi_samples=self.samples,
            roi_positive_fraction=self.positive_fraction,
            roi_positive_iou=self.positive_iou,
            box_delta_std=self.delta_std,
        )
        batch = objects(*truth)
        candidates = tf.stack([tf.shape(proposals)[0], tf.shape(proposals)[1] + tf.shape(batch["boxes"])[1]])
        return roi_targets(proposals, count_boxes(proposals), batch, config, self.draw(candidates, training))

    def compute_output_spec(self, inputs, training=False):
        slots = (inputs[1].shape[0], self.samples)  # of the objects: where none are given, no region is counted
        whole = {name: keras.KerasTensor(slots, "int32") for name in ("labels", "matched")}
        flags = {name: keras.KerasTensor(slots, "bool") for name in ("is_positive", "is_sampled")}
        return whole | flags | {name: keras.KerasTensor((*slots, 4), "float32") for name in ("rois", "deltas")}
