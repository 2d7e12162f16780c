"""From an RPN's answers to the boxes that the heads read."""

from __future__ import annotations

import keras

from maskrcnn.layers.box_layer import BoxLayer, picture_sizes
from maskrcnn.proposals.propose import propose


@keras.saving.register_keras_serializable("maskrcnn")
class Proposals(BoxLayer):
    """The best boxes of a RegionProposal, without near copies of one another. No weights, no gradient.

    Called on what RegionProposal returns, or on [that, image] to cut the boxes to the pictures: image (B, H, W, 3), or
    sizes (B, 2), height and width of each picture without its padding; else they are cut to what the first map covers.
    Returns (B, count, 4) float32 xyxy px, best first; the slots that are left over are zero.

    ```python
    features = keras.Input((8, 8, 32))
    rpn = RegionProposal(anchor_sizes=(32, 64), strides=16)(features)
    boxes = Proposals(300)(rpn)
    assert boxes.shape == (None, 300, 4)
    boxes, scores = Proposals(300, return_scores=True)(rpn)
    assert scores.shape == (None, 300)
    ```

    Args:
        count: boxes kept of a picture.
        pre_nms: kept by score on each map before the suppression.
        nms_iou: a box that overlaps a better one of its map by more than this is left out.
        min_side: px; thinner boxes are left out. Above 0.
        return_scores: return (boxes, scores), the scores (B, count) in [0, 1].

    Raises:
        ValueError: for a `count` or `min_side` that cannot be.
    """

    settings = ("count", "pre_nms", "nms_iou", "min_side", "return_scores")

    def __init__(self, count=1000, pre_nms=1000, nms_iou=0.7, min_side=1e-3, return_scores=False, **kwargs):
        super().__init__(**kwargs)
        if count < 1 or min_side <= 0:
            raise ValueError(f"count={count!r}, min_side={min_side!r}: both have to be above 0")
        self.count, self.pre_nms, self.nms_iou = count, pre_nms, nms_iou
        self.min_side, self.return_scores = min_side, return_scores

    def call(self, inputs):
        rpn, picture = inputs if isinstance(inputs, list | tuple) else (inputs, inputs["image_size"])
        boxes, scores, _ = propose(
            rpn["objectness"],
            rpn["deltas"],
            rpn["anchors"],
            picture_sizes(picture),
            pre_nms=self.pre_nms,
            post_nms=self.count,
            nms_iou=self.nms_iou,
            min_side=self.min_side,
        )
        return (boxes, scores) if self.return_scores else boxes

    def compute_output_spec(self, inputs):
        rpn = inputs[0] if isinstance(inputs, list | tuple) else inputs
        batch = rpn["objectness"][0].shape[0]
        boxes = keras.KerasTensor((batch, self.count, 4), "float32")
        return (boxes, keras.KerasTensor((batch, self.count), "float32")) if self.return_scores else boxes


ProposalLayer = Proposals  # the name that it has in older code
