"""The four parts in a row: what training and detection share."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn.network.preprocessing import normalise
from maskrcnn.proposals.anchors import pyramid_anchors
from maskrcnn.proposals.propose import propose


class Forward:
    """The parts of one network, called on one batch of pictures.

    Args:
        network: the Functional network of `build_network`.
        config: its MaskRCNNConfig.
        images: (B, H, W, 3) float32 in [0, 1], padded; image_size: (B, 2) float32 without padding.
        training: whether batch norm and dropout train.
    """

    def __init__(self, network, config, images, image_size, training=False):
        self.network, self.config = network, config
        self.image_size, self.training = image_size, training
        self.levels = self._part("features")(normalise(images, image_size, config), training=training)
        self.anchors = pyramid_anchors(
            [(tf.shape(level)[1], tf.shape(level)[2]) for level in self.levels],
            (tf.shape(images)[1], tf.shape(images)[2]),
            config.anchor_sizes,
            config.anchor_ratios,
            config.anchor_rounding,
        )
        batch = tf.shape(images)[0]
        answers = [self._part("rpn")(level, training=training) for level in self.levels]
        self.rpn_logits = [tf.reshape(logits, (batch, -1)) for logits, _ in answers]
        self.rpn_deltas = [tf.reshape(deltas, (batch, -1, 4)) for _, deltas in answers]

    def _part(self, name):
        return self.network.get_layer(name)

    def proposals(self, for_training: bool = False):
        """Proposals of each picture, best first: see `propose`."""
        config = self.config
        pre, post = (
            (config.pre_nms_train, config.post_nms_train)
            if for_training
            else (config.pre_nms_test, config.post_nms_test)
        )
        return propose(
            self.rpn_logits,
            self.rpn_deltas,
            self.anchors,
            self.image_size,
            pre_nms=pre,
            post_nms=post,
            nms_iou=config.rpn_nms_iou,
            min_side=config.rpn_min_side,
            static_shapes=config.static_shapes,
        )

    def classify(self, rois):
        """The box head on rois (B, N, 4): logits (B, N, C + 1) and deltas (B, N, C + 1, 4)."""
        shape = tf.shape(rois)
        picture = tf.repeat(tf.range(shape[0]), shape[1])
        regions = self._part("box_roi_align").align(self.levels[:4], tf.reshape(rois, (-1, 4)), picture)
        logits, deltas = self._part("box_head")(regions, training=self.training)
        classes = self.config.num_classes
        return (
            tf.reshape(logits, (shape[0], shape[1], classes)),
            tf.reshape(deltas, (shape[0], shape[1], classes, 4)),
        )

    def segment(self, rois, picture):
        """The mask head on rois (P, 4) of the pictures `picture` (P,): logits (P, 28, 28, C + 1)."""
        regions = self._part("mask_roi_align").align(self.levels[:4], rois, picture)
        return self._part("mask_head")(regions, training=self.training)


def of_class(logits, labels):
    """The channel of each region's own class: (P, h, w, C + 1) and (P,) int32 give (P, h, w)."""
    one_hot = tf.one_hot(labels, tf.shape(logits)[-1], dtype=logits.dtype)
    return tf.reduce_sum(logits * one_hot[:, None, None], axis=-1)
