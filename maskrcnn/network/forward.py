"""The network run on a batch of pictures: what training and detection share."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn.network.pieces import Pieces
from maskrcnn.network.preprocessing import normalise, picture_extent, proposal_extent
from maskrcnn.proposals.anchors import pyramid_anchors
from maskrcnn.proposals.propose import candidates, propose


class Forward:
    """One network on one batch of pictures: its pieces, and the proposals between them.

    Args:
        network: the Functional network of `build_network`, or one with the same inputs and outputs.
        config: its MaskRCNNConfig.
        images: (B, H, W, 3) float32 in [0, 1], padded; image_size: (B, 2) float32 without padding.
        training: whether batch norm and dropout train.
        static_shapes: fixed shapes throughout, for XLA and export.
        folded: batch norms folded into convolutions, which is quicker and for inference alone: see `folded_norms`.
    """

    def __init__(
        self, network, config, images, image_size, training=False, static_shapes=False, folded=False
    ):  # fmt: skip
        self.config, self.image_size = config, image_size
        self.training, self.static_shapes = training, static_shapes
        self._pieces = Pieces(network, folded)
        logits, deltas, self._maps = self._pieces.pyramid(normalise(images, image_size, config), training)
        self.grids = [(tf.shape(level)[1], tf.shape(level)[2]) for level in logits]
        self.anchors = pyramid_anchors(
            self.grids,
            (tf.shape(images)[1], tf.shape(images)[2]),
            config.anchor_sizes,
            config.anchor_ratios,
            config.anchor_rounding,
            config.box_last_pixel,
        )
        self.extent = picture_extent(images, image_size, config)
        self.proposal_extent = proposal_extent(images, image_size, config)
        batch = _length(images, 0)
        self.rpn_logits = [tf.reshape(level, (batch, -1)) for level in logits]
        self.rpn_deltas = [tf.reshape(level, (batch, -1, 4)) for level in deltas]

    @property
    def maps(self) -> list:
        """What the box head reads beside its regions: the pyramid's levels, finest first."""
        return list(self._maps[0])

    def candidates(self, for_training: bool = False):
        """What the suppression chooses proposals from: see `propose.candidates`."""
        return candidates(*self._rpn_answers(), **self._choice(for_training))

    def proposals(self, for_training: bool = False):
        """Proposals of each picture, best first: see `propose`."""
        config = self.config
        return propose(
            *self._rpn_answers(),
            **self._choice(for_training),
            post_nms=config.post_nms_train if for_training else config.post_nms_test,
            nms_iou=config.rpn_nms_iou,
            static_shapes=self.static_shapes,
        )

    def _rpn_answers(self):
        return self.rpn_logits, self.rpn_deltas, self.anchors, self.proposal_extent

    def _choice(self, for_training: bool) -> dict:
        config = self.config
        return {
            "pre_nms": config.pre_nms_train if for_training else config.pre_nms_test,
            "min_side": config.rpn_min_side,
            "delta_std": config.rpn_delta_std,
            "together": config.rpn_levels_together,
        }

    def classify(self, rois):
        """The box head on rois (B, N, 4): logits (B, N, C + 1) and deltas (B, N, C + 1, 4)."""
        logits, deltas = self._pieces.boxes(self._maps, rois, self.training, self.static_shapes)
        batch, count, classes = _length(rois, 0), _length(rois, 1), self.config.num_classes
        return tf.reshape(logits, (batch, count, classes)), tf.reshape(deltas, (batch, count, classes, 4))

    def segment(self, rois, picture):
        """The mask head on rois (P, 4) of the pictures `picture` (P,): logits (P, 28, 28, C + 1)."""
        if self.static_shapes:
            return self._pieces.masks(self._maps, rois, picture, self.training, True)
        # TensorFlow's fused convolution of no region has the wrong number of channels, and the next one refuses it: one
        # region stands in.
        count = tf.shape(rois)[0]
        padding = tf.stack([0, tf.cast(tf.equal(count, 0), tf.int32)])
        rois, picture = tf.pad(rois, [padding, [0, 0]]), tf.pad(picture, [padding])
        return self._pieces.masks(self._maps, rois, picture, self.training, False)[:count]


def _length(tensor, axis):
    """Of an axis: a number where it is known, so that what is made from it has a known shape too."""
    known = tensor.shape[axis]
    return tf.shape(tensor)[axis] if known is None else known


def of_class(logits, labels):
    """The channel of each region's own class: (P, h, w, C + 1) and (P,) int32 give (P, h, w)."""
    one_hot = tf.one_hot(labels, tf.shape(logits)[-1], dtype=logits.dtype)
    return tf.reduce_sum(logits * one_hot[:, None, None], axis=-1)
