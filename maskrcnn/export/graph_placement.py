"""Where a picture of any size lies in the padded one that the network reads, worked out inside a graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from maskrcnn.data.placement import place


class GraphPlacement(NamedTuple):
    """What `data.placement.Placement` says of one picture, as tensors or constants.

    Attributes:
        size: (2,) int32, height and width after the resize.
        padded: (height, width) px with padding; None where the picture's size is not known when the graph is made.
        factor: (4,) float32, px of the picture as given a px of the network's boxes, for xyxy.
        first: (4,) float32, the network's coordinates of the picture's top left corner.
        ends: (4,) float32, added to the picture's boxes: 1 where the network's boxes end at their last pixel.
    """

    size: Any
    padded: tuple[int, int] | None
    factor: Any
    first: Any
    ends: Any

    def back(self, boxes):
        """Boxes (N, 4) float32 xyxy of the network, in px of the picture as given."""
        return (boxes - self.first) * self.factor + self.ends


def graph_placement(image, config) -> GraphPlacement:
    """The placement of a picture (H, W, 3): from its static shape, or else from its shape when the graph runs.

    The latter in double precision, as `place`: it decides whether a side comes out as 800 or 799.
    """
    last = float(config.box_last_pixel)
    ends = tf.constant([0.0, 0.0, last, last])
    if None not in image.shape[:2]:
        known = place(tuple(image.shape[:2]), config)
        (top, left), factor = known.offset, (1.0 / known.factor).astype("float32")
        return GraphPlacement(
            tf.constant(known.size), known.padded, tf.constant(factor), tf.constant([left, top] * 2, tf.float32), ends
        )
    old = tf.cast(tf.shape(image)[:2], tf.float64)
    size = tf.maximum(_resized(old, config), 1.0)
    factor = tf.maximum(old - last, 1.0) / (size - last)
    size = tf.cast(size, tf.int32)
    first = (config.max_size - size) // 2 if config.square_fit else tf.zeros_like(size)
    both = tf.stack([first[1], first[0]])
    return GraphPlacement(
        size, None, tf.cast(tf.gather(factor, [1, 0, 1, 0]), tf.float32), tf.cast(tf.tile(both, [2]), tf.float32), ends
    )


def _resized(old, config):
    """`data.resize.resized_size` of (2,) float64."""
    short, long = tf.reduce_min(old), tf.reduce_max(old)
    if not config.square_fit:
        return tf.floor(old * tf.minimum(config.min_size / short, config.max_size / long))
    scale = tf.maximum(tf.constant(1.0, tf.float64), config.min_size / short)
    scale = tf.where(tf.round(long * scale) > config.max_size, config.max_size / long, scale)
    return tf.round(old * scale)
