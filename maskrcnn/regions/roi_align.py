"""RoIAlign over a feature pyramid (He et al. 2017, section 3; Lin et al. 2017, equation 1)."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.regions.sample_points import CORNERS, cells_along, pool, sample_grid

CANONICAL_LEVEL = 4  # a region of the canonical size is read from P4


def level_of(boxes, canonical_size, lowest: int, highest: int, nearest: bool = False):
    """The pyramid level of each box (N, 4): (N,) int32 in [lowest, highest]; the nearest, or that below."""
    width, height = box_ops.sides(boxes)
    side = tf.sqrt(tf.maximum(width * height, 0.0))
    level = CANONICAL_LEVEL + tf.math.log(side / canonical_size) / tf.math.log(2.0)
    level = tf.round(level) if nearest else tf.floor(level + 1e-6)
    return tf.cast(tf.clip_by_value(level, lowest, highest), tf.int32)


def align_one(feature, boxes, picture, scale, size, sampling_ratio, aligned):
    """RoIAlign on one map, by the fused crop operation: quick, but not for XLA.

    The map is repeated by one cell at its edges, which is what RoIAlign's clamping means there; a
    sample further out is zero.

    Args:
        feature: (B, h, w, C) of any number type.
        boxes: (N, 4) float32 xyxy, px.
        picture: (N,) int32, which of the B pictures.
        scale: cells of the map a pixel; size, aligned: see `RoIAlign`.
        sampling_ratio: samples a bin along each axis; also a pair of int32 tensors, rows and columns.

    Returns:
        (N, size, size, C) float32.
    """
    if aligned == CORNERS:
        return _crop(feature, boxes, picture, scale, size * sampling_ratio, sampling_ratio)
    padded = tf.pad(feature, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    rows, columns = (sampling_ratio,) * 2 if isinstance(sampling_ratio, int) else sampling_ratio
    counts = tf.stack([size * rows, size * columns])
    first, step = sample_grid(boxes, scale, counts, aligned)
    limit = tf.cast(tf.shape(padded)[1:3] - 1, tf.float32)
    begin = (first + 1.0) / limit
    end = (first + step * tf.cast(counts - 1, tf.float32) + 1.0) / limit
    samples = tf.image.crop_and_resize(padded, tf.concat([begin, end], axis=-1), picture, counts)
    return pool(samples, size, sampling_ratio)


def _crop(feature, boxes, picture, scale, count, sampling_ratio):
    """TensorFlow's own crop-and-resize, in which pixel 0 is the centre of cell 0, and the last pixel of the last.

    Boxes are divided by the padded picture's last pixel, as Matterport's code has them, for equal rounding: a sample
    that rounding puts beyond the last cell is zero there.
    """
    last = tf.round(tf.cast(tf.shape(feature)[1:3], tf.float32) / scale) - 1.0
    corners = tf.gather(boxes, [1, 0, 3, 2], axis=1) / tf.concat([last, last], axis=0)
    samples = tf.image.crop_and_resize(feature, corners, picture, [count, count])
    return pool(samples, count // sampling_ratio, sampling_ratio)


def _cells(features, boxes, picture, level, scales, size, sampling_ratio, aligned):
    """Which cells each bin reads, and how much of each: RoIAlign written as a sparse matrix.

    Returns:
        index and weight, (N * size * size, K) int32 and float32 with K = (2 * sampling_ratio)^2, into the rows
        of all maps flattened one after another.
    """
    count = size * sampling_ratio
    heights, widths = (tf.stack([tf.shape(f)[axis] for f in features]) for axis in (1, 2))
    rows = heights * widths
    before = tf.cumsum(rows * tf.shape(features[0])[0], exclusive=True)
    start = tf.gather(before, level) + picture * tf.gather(rows, level)
    scale = tf.gather(tf.constant(scales, tf.float32), level)[:, None]
    if aligned == CORNERS:
        sides = tf.cast(tf.gather(tf.stack([heights, widths], axis=-1), level), tf.float32)
        scale = (sides - 1.0) / (tf.round(sides / scale) - 1.0)
    first, step = sample_grid(boxes, scale, [count, count], aligned)

    y, weight_y = cells_along(first[:, 0], step[:, 0], tf.gather(heights, level), size, sampling_ratio)
    x, weight_x = cells_along(first[:, 1], step[:, 1], tf.gather(widths, level), size, sampling_ratio)
    width = tf.gather(widths, level)[:, None, None, None, None]
    index = start[:, None, None, None, None] + y[:, :, None, :, None] * width + x[:, None, :, None, :]
    weight = weight_y[:, :, None, :, None] * weight_x[:, None, :, None, :]
    entries = (2 * sampling_ratio) ** 2
    return tf.reshape(index, (-1, entries)), tf.reshape(weight, (-1, entries))


def _transposed_product(coordinates, values, columns, dense):
    """The transpose of a sparse matrix of `columns` columns times `dense`, three times as fast as in coordinates."""
    shape = tf.cast(tf.stack([tf.shape(dense)[0], columns]), tf.int64)
    matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=tf.cast(coordinates, tf.int64), values=values, dense_shape=shape
    )
    transposed = tf.raw_ops.SparseMatrixTranspose(input=matrix, type=tf.float32)  # rows of its own for each thread
    return tf.raw_ops.SparseMatrixMatMul(a=transposed, b=dense)


def align_by_crop(features, boxes, picture, level, scales, size, sampling_ratio, aligned):
    """RoIAlign of each box on its level, from `align_one`; `level` (N,) int32 counts from 0.

    The gradient of the fused crop operation is not used: on several CPU threads it loses updates where
    regions overlap. Ours is exact, and the same in every run.
    """

    @tf.custom_gradient
    def align(*features):
        order, pieces = [], []
        for index, (feature, scale) in enumerate(zip(features, scales, strict=True)):
            members = tf.cast(tf.where(level == index)[:, 0], tf.int32)
            order.append(members)
            of_level = tf.gather(boxes, members), tf.gather(picture, members)
            pieces.append(align_one(feature, *of_level, scale, size, sampling_ratio, aligned))

        def backward(upstream):
            index, weight = _cells(features, boxes, picture, level, scales, size, sampling_ratio, aligned)
            bins, entries = tf.shape(index)[0], index.shape[1]
            sizes = [tf.reduce_prod(tf.shape(f)[:3]) for f in features]
            coordinates = tf.stack([tf.repeat(tf.range(bins), entries), tf.reshape(index, (-1,))], axis=1)
            upstream = tf.reshape(upstream, (bins, features[0].shape[-1]))
            flat = _transposed_product(coordinates, tf.reshape(weight, (-1,)), tf.add_n(sizes), upstream)
            parts = tf.split(flat, sizes)
            return [tf.reshape(part, tf.shape(f)) for part, f in zip(parts, features, strict=True)]

        return tf.dynamic_stitch(order, pieces), backward

    return align(*features)


def align_by_gather(features, boxes, picture, level, scales, size, sampling_ratio, aligned):
    """The same from plain gathers over all levels at once: for XLA, export and other backends."""
    channels = features[0].shape[-1]
    index, weight = _cells(features, boxes, picture, level, scales, size, sampling_ratio, aligned)
    flat = tf.concat([tf.reshape(f, (-1, channels)) for f in features], axis=0)
    terms = [tf.gather(flat, index[:, k]) * weight[:, k, None] for k in range(index.shape[1])]
    return tf.reshape(tf.add_n(terms), (-1, size, size, channels))


class _Reading(NamedTuple):
    picture: Any
    static_shapes: bool


_READING: contextvars.ContextVar[_Reading | None] = contextvars.ContextVar("reading", default=None)


@contextlib.contextmanager
def reading(picture=None, static_shapes: bool = False) -> Iterator[None]:
    """How every RoIAlign reads that is called meanwhile: a layer inside a graph takes no arguments of the call.

    Args:
        picture: (P,) int32, the picture of each region, which are then a flat list (1, P, 4); None: regions come
            picture by picture, (B, N, 4).
        static_shapes: use plain gathers, which XLA compiles and LiteRT converts.
    """
    token = _READING.set(_Reading(picture, static_shapes))
    try:
        yield
    finally:
        _READING.reset(token)


@keras.saving.register_keras_serializable("maskrcnn")
class RoIAlign(keras.layers.Layer):
    """Read a fixed-size piece of a feature pyramid for each region. No weights.

    Called on `[P2, P3, ..., rois]`: maps (B, h_l, w_l, C) and regions (B, N, 4) float32 xyxy in pixels
    of the picture; returns (B * N, size, size, C), regions of one picture side by side. See also `reading`.

    Args:
        size: bins along each side.
        strides: pixels a cell of each map.
        canonical_size: side in px of the region that is read from P4.
        sampling_ratio: samples a bin along each axis.
        aligned: shift by half a cell, as detectron2 does; without it a region is at least a cell wide.
        corners: samples from corner to corner of a region that ends at its last pixel, the picture's corners being
            the maps' (crop-and-resize); `aligned` does not count then.
        nearest: read from the level nearest to the region's size, not from that below.
    """

    channel_rule = "keep"  # channel i of the result is channel i of each map

    def __init__(
        self, size, strides=(4, 8, 16, 32), canonical_size=224.0, sampling_ratio=2, aligned=True, corners=False,
        nearest=False, **kwargs,
    ):  # fmt: skip
        kwargs.setdefault("autocast", False)  # pixels do not fit into float16
        super().__init__(**kwargs)
        self.size = size
        self.strides = tuple(strides)
        self.canonical_size = canonical_size
        self.sampling_ratio = sampling_ratio
        self.aligned, self.corners, self.nearest = aligned, corners, nearest

    def call(self, inputs):
        *features, rois = inputs
        picture, static_shapes = _READING.get() or (None, False)
        if picture is None:
            picture = tf.repeat(tf.range(tf.shape(rois)[0]), tf.shape(rois)[1])
        rois = tf.cast(rois, tf.float32)
        count = None if None in rois.shape[:2] else rois.shape[0] * rois.shape[1]
        boxes = tf.reshape(rois, (-1, 4))
        lowest = CANONICAL_LEVEL - 2
        canonical = self._canonical(features[0])
        level = level_of(boxes, canonical, lowest, lowest + len(features) - 1, self.nearest) - lowest
        align = align_by_gather if static_shapes else align_by_crop
        found = align(
            [tf.cast(f, tf.float32) for f in features], boxes, picture, level, [1.0 / s for s in self.strides],
            self.size, self.sampling_ratio, CORNERS if self.corners else self.aligned,
        )
        found = tf.cast(found, self.compute_dtype)
        return tf.ensure_shape(found, (count, self.size, self.size, features[0].shape[-1]))

    def _canonical(self, finest):
        """The canonical size; of regions that end at their last pixel, of a picture that is as much shorter."""
        if not self.corners:
            return self.canonical_size
        sides = tf.cast(tf.shape(finest)[1:3] * self.strides[0], tf.float32)
        return self.canonical_size * tf.sqrt(tf.reduce_prod((sides - 1.0) / sides))

    def compute_output_spec(self, inputs):
        *features, rois = inputs
        batch = None if None in rois.shape[:2] else rois.shape[0] * rois.shape[1]
        return keras.KerasTensor((batch, self.size, self.size, features[0].shape[-1]), dtype=self.compute_dtype)

    def get_config(self):
        names = ("size", "strides", "canonical_size", "sampling_ratio", "aligned", "corners", "nearest")
        return super().get_config() | {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config):
        # Files of before November 2026 say here what is now said by the call.
        return cls(**{key: value for key, value in config.items() if key != "static_shapes"})
