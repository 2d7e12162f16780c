"""Boxes: clipping, offsets to a reference box and back. xyxy, float32, in pixels."""

from __future__ import annotations

import math

from keras import ops
from keras.utils import bounding_boxes

# Longest stretch of a side that a delta may ask for: a box of 16 px becomes one of 1000 px.
MAX_LOG_STRETCH = math.log(1000.0 / 16)


def encode(boxes, references, std=(1.0, 1.0, 1.0, 1.0)):
    """Deltas (dx, dy, dw, dh) that lead from `references` to `boxes`.

    Args:
        boxes: (..., 4) float32 xyxy.
        references: (..., 4) float32 xyxy, anchors or regions of interest.
        std: the deltas are divided by it.

    Returns:
        (..., 4) float32; large but finite where a box has no area.
    """
    return bounding_boxes.encode_box_to_deltas(
        references, boxes, anchor_format="xyxy", box_format="xyxy", encoding_format="center_xywh", variance=list(std)
    )


def decode(deltas, references, std=(1.0, 1.0, 1.0, 1.0)):
    """Boxes that `deltas` lead to from `references`: (..., 4) float32 xyxy, the inverse of `encode`.

    Log sizes are bounded by MAX_LOG_STRETCH, so that an untrained network stays finite.
    """
    limit = ops.array([math.inf, math.inf, *(MAX_LOG_STRETCH / s for s in std[2:])], "float32")
    return bounding_boxes.decode_deltas_to_boxes(
        references,
        ops.minimum(deltas, limit),
        anchor_format="xyxy",
        box_format="xyxy",
        encoded_format="center_xywh",
        variance=list(std),
    )


def clip(boxes, extent):
    """Boxes (B, ..., 4) cut to their pictures: `extent` is (B, 2), height and width, or (B, 4) xyxy."""
    corners = (1, 0, 1, 0) if extent.shape[-1] == 2 else (2, 3, 2, 3)
    shape = (-1,) + (1,) * (len(boxes.shape) - 2) + (4,)
    limit = ops.reshape(ops.stack([extent[:, i] for i in corners], axis=-1), shape)
    if extent.shape[-1] == 2:
        return ops.minimum(ops.maximum(boxes, 0.0), limit)
    least = ops.reshape(ops.stack([extent[:, i] for i in (0, 1, 0, 1)], axis=-1), shape)
    return ops.minimum(ops.maximum(boxes, least), limit)


def sides(boxes):
    """Width and height of boxes (..., 4): two tensors (...)."""
    return boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]


def area(boxes):
    """Area of boxes (..., 4) in px^2: (...)."""
    width, height = sides(boxes)
    return width * height


def iou(boxes, others):
    """Intersection over union of every pair: (B, N, 4) and (B, M, 4) give (B, N, M)."""
    return bounding_boxes.compute_iou(boxes, others, "xyxy")
