"""What the mask head should answer: the true masks of the positive regions."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.data.batching.batch import mask_pixels
from maskrcnn.network.preprocessing import picture_offset
from maskrcnn.regions.sample_points import CORNERS, cells_along, pool, sample_grid


def mask_targets(batch, rois, picture, matched, size: int, config, static_shapes: bool = False):
    """The true masks seen through each region: RoIAlign of the mask at scale 1.

    A mask is 0 outside its window, and beyond the picture its edge is repeated.

    Args:
        batch: the training batch (maskrcnn.data.batching.batch).
        rois: (P, 4) float32 xyxy; picture, matched: (P,) int32, whose G masks, which of them.
        size: bins along each side.
        config: `mask_target_sampling_ratio`, `mask_target_binary`, `roi_aligned`, `roi_corners`, `square_fit`.
        static_shapes: for XLA; not with a sampling ratio of 0, by which each region has shapes of its own.

    Returns:
        (P, size, size) float32 in [0, 1].
    """
    pixels, windows = _windows(batch, picture, matched, config)
    ratio, aligned = config.mask_target_sampling_ratio, CORNERS if config.roi_corners else config.roi_aligned
    if static_shapes:
        found = _by_weights(pixels, windows, rois, size, ratio, aligned)
    elif ratio:
        found = _by_samples(pixels, windows, rois, size, ratio, aligned)
    else:

        def adaptive(one):
            roi, *window = (value[None] for value in one)
            return _adaptive(pixels, _Windows(*window, windows.padded), roi, size, aligned)

        found = tf.map_fn(
            adaptive,
            (rois, *windows[:-1]),
            fn_output_signature=tf.TensorSpec((size, size), tf.float32),
        )
    return tf.cast(found >= 0.5, tf.float32) if config.mask_target_binary else found


class _Windows(NamedTuple):
    """Where the mask of each of P regions lies in the batch's pixels: row by row from `start` on."""

    start: Any  # (P,) int32
    low: Any  # (P, 2) int32, (y0, x0) px of the picture
    sides: Any  # (P, 2) int32, (height, width)
    first: Any  # (P, 2) int32, the picture's first row and column without its padding
    last: Any  # (P, 2) int32, its last ones
    padded: Any  # (2,) int32, (height, width) of the pictures with their padding


class _Cells(NamedTuple):
    """Cells of P windows along one axis, (P, K) each."""

    position: Any  # int32, within the window; clipped into it
    inside: Any  # float32, 1 where the window has it, else 0


def _windows(batch, picture, matched, config):
    """All pixels of the batch, flat, and the `_Windows` of the masks `matched` of the pictures `picture`."""
    pixels, windows = mask_pixels(batch)
    sides = (windows[..., 2:] - windows[..., :2])[..., ::-1]
    length = tf.shape(pixels)[1]
    starts = tf.cumsum(tf.reduce_prod(sides, axis=-1), axis=1, exclusive=True)
    starts = tf.minimum(starts, length - 1) + length * tf.range(tf.shape(pixels)[0])[:, None]
    which = tf.stack([picture, matched], axis=-1)
    offset = picture_offset(batch["image"], batch["image_size"], config)
    first = tf.cast(tf.gather(offset, picture), tf.int32)
    last = first + tf.cast(tf.gather(batch["image_size"], picture), tf.int32) - 1
    padded = tf.shape(batch["image"])[1:3]
    low = tf.gather_nd(windows, which)[:, 1::-1]
    return tf.reshape(pixels, (-1,)), _Windows(
        tf.gather_nd(starts, which), low, tf.gather_nd(sides, which), first, last, padded
    )


def _in_window(rows, windows, axis):
    """The `_Cells` of rows (axis 0) or columns (axis 1) (P, K) int32 of the pictures."""
    rows = tf.clip_by_value(rows, windows.first[:, axis, None], windows.last[:, axis, None])
    position, most = rows - windows.low[:, axis, None], windows.sides[:, axis, None] - 1
    inside = tf.cast((position >= 0) & (position <= most), tf.float32)
    return _Cells(tf.clip_by_value(position, 0, tf.maximum(most, 0)), inside)


def _by_weights(pixels, windows, rois, size, ratio, aligned):
    """Each bin as a weighted sum of the cells that it reads: shapes depend on nothing."""
    first, step = sample_grid(rois, 1.0, [size * ratio] * 2, aligned)
    index, weight = [], []
    for axis in (0, 1):
        cells, weights = cells_along(first[:, axis], step[:, axis], windows.padded[None, axis], size, ratio)
        flat = _in_window(tf.reshape(cells, (-1, size * 2 * ratio)), windows, axis)
        index.append(tf.reshape(flat.position, (-1, size, 2 * ratio)))
        weight.append(weights * tf.reshape(flat.inside, (-1, size, 2 * ratio)))
    start, width = (value[:, None, None] for value in (windows.start, windows.sides[:, 1]))
    terms = []
    for y in range(2 * ratio):
        above = (start + index[0][:, :, None, y] * width, weight[0][:, :, None, y])
        for x in range(2 * ratio):
            cells = tf.gather(pixels, above[0] + index[1][:, None, :, x])
            terms.append(tf.cast(cells, tf.float32) * (above[1] * weight[1][:, None, :, x]))
    return tf.add_n(terms)


class _Samples(NamedTuple):
    """The two cells that each sample of an axis lies between, and how far it is from the first to the second."""

    first: _Cells
    second: _Cells
    distance: Any  # (P, K) float32


def _samples(windows, rois, counts, aligned):
    """The `_Samples` along y and along x, `counts` of them.

    The arithmetic is that of `roi_align.align_one` and TensorFlow's `crop_and_resize`, step by step, in a picture that
    is repeated by one cell at its edges: targets are to the bit what these give of whole masks.
    """
    first, step = sample_grid(rois, 1.0, counts, aligned)
    limit = tf.cast(windows.padded + 1, tf.float32)
    begin = (first + 1.0) / limit
    end = (first + step * tf.cast(tf.stack(counts) - 1, tf.float32) + 1.0) / limit
    along = []
    for axis, count in enumerate(counts):
        steps = tf.cast(count - 1, tf.float32)
        scale = tf.math.divide_no_nan((end - begin)[:, axis] * limit[axis], steps)
        start = begin[:, axis] * limit[axis]
        at = start[:, None] + tf.range(tf.cast(count, tf.float32)) * scale[:, None]
        known = tf.cast((at >= 0) & (at <= limit[axis]), tf.float32)
        low = tf.floor(at)
        pair = (_in_window(tf.cast(cell, tf.int32) - 1, windows, axis) for cell in (low, tf.math.ceil(at)))
        along.append(_Samples(*(_Cells(cells.position, cells.inside * known) for cells in pair), at - low))
    return along


def _by_samples(pixels, windows, rois, size, ratio, aligned):
    """Each bin as the mean of ratio^2 samples between four cells: all regions at once."""
    (*rows, down), (*columns, right) = _samples(windows, rois, [size * ratio] * 2, aligned)
    along = []
    for row in rows:
        begin = windows.start[:, None] + row.position * windows.sides[:, 1, None]
        near, far = (
            tf.cast(tf.gather(pixels, begin[:, :, None] + column.position[:, None]), tf.float32)
            * column.inside[:, None]
            for column in columns
        )
        along.append((near + (far - near) * right[:, None]) * row.inside[:, :, None])
    top, bottom = along
    samples = top + (bottom - top) * down[:, :, None]
    return pool(samples[..., None], size, ratio)[..., 0]


def _adaptive(pixels, windows, roi, size, aligned):
    """RoIAlign of one region (1, 4) with ceil(side / size) samples a bin along each axis: (size, size)."""
    width, height = box_ops.sides(roi[0])
    if not aligned:
        width, height = tf.maximum(width, 1.0), tf.maximum(height, 1.0)
    ratios = [tf.maximum(tf.cast(tf.math.ceil(side / size), tf.int32), 1) for side in (height, width)]
    y, x = _samples(windows, roi, [size * ratio for ratio in ratios], aligned)
    (upper, lower, down), (left, far, right) = y, x
    # Only the window's rows that are read.
    begin, end = tf.reduce_min(upper.position), tf.reduce_max(lower.position) + 1
    # Of an empty window a pixel is read and not used.
    start, across = windows.start[0], tf.maximum(windows.sides[0, 1], 1)
    cells = tf.reshape(pixels[start + begin * across : start + end * across], (-1, across))
    near, beyond = (
        tf.cast(tf.gather(cells, column.position[0], axis=1), tf.float32) * column.inside for column in (left, far)
    )
    along = near + (beyond - near) * right
    top, bottom = (tf.gather(along, row.position[0] - begin) * row.inside[0, :, None] for row in (upper, lower))
    samples = top + (bottom - top) * down[0, :, None]
    return pool(samples[None, ..., None], size, ratios)[0, ..., 0]
