"""The picture that the network reads: resized, padded, normalised; and what of it is picture, not padding."""

from __future__ import annotations

import tensorflow as tf

from maskrcnn.data.batching.pixels import pad_pixels, resize_pixels


def fit(image, size, config):
    """Resize one picture (bilinear, no antialiasing) and pad it.

    Args:
        image: (H, W, 3) float32 in [0, 1].
        size: (2,) int, height and width after the resize, of its `Placement`.
        config: a MaskRCNNConfig.

    Returns:
        (H', W', 3) float32.
    """
    return pad_pixels(resize_pixels(image, size, config), config)


def normalise(images, image_size, config):
    """Subtract the mean and divide by the deviation; the padding becomes zero, unless the config says that it is black.

    Args:
        images: (B, H, W, 3) float32 in [0, 1]; image_size: (B, 2) float32 without padding.
    """
    batch, height, width = tf.unstack(tf.shape(images)[:3])
    # A row of pixels at a time: TensorFlow is slow where it repeats along an axis of three channels.
    deviation = 1.0 / tf.constant(config.pixel_std)
    mean, scale = (tf.tile(each, [width])[None] for each in (tf.constant(config.pixel_mean), deviation))
    rows = tf.reshape(images, (batch, height, 3 * width)) - mean[:, None]
    if config.black_padding:
        rows *= scale[:, None]
    else:
        of_rows, of_columns = _inside(images, image_size, config)
        rows = rows * (scale * tf.repeat(of_columns, 3, axis=1))[:, None] * of_rows[:, :, None]
    found = tf.reshape(rows, tf.shape(images))
    found.set_shape(images.shape)
    return found


def _inside(images, image_size, config):
    """(B, H) and (B, W) float32: 1 in rows, and in columns, of the picture, 0 in those of its padding."""
    first = picture_offset(images, image_size, config)
    found = []
    for axis in (0, 1):
        at = tf.range(tf.shape(images)[1 + axis], dtype=tf.float32)[None] - first[:, axis, None]
        found.append(tf.cast((at >= 0) & (at < image_size[:, axis, None]), tf.float32))
    return found


def picture_offset(images, image_size, config):
    """(B, 2) float32, top and left: the padding before each picture.

    Args:
        images: (B, H, W, 3) or a tensor of such sides, padded; image_size: (B, 2) float32 without padding.
        config: a MaskRCNNConfig.
    """
    if not config.square_fit:
        return tf.zeros_like(image_size)
    return tf.floor((tf.cast(tf.shape(images)[1:3], tf.float32) - image_size) / 2)


def picture_extent(images, image_size, config):
    """Where boxes may lie, as `boxes.clip` takes it: in the pictures without their padding.

    Args: see `picture_offset`.

    Returns:
        `image_size`, or (B, 4) float32 xyxy where the pictures do not begin at 0, or boxes end at their last pixel.
    """
    if not (config.square_fit or config.box_last_pixel):
        return image_size
    first = picture_offset(images, image_size, config)
    last = first + image_size - float(config.box_last_pixel)
    return tf.concat([first[:, ::-1], last[:, ::-1]], axis=-1)


def proposal_extent(images, image_size, config):
    """The same for proposals, which may reach into padding that is black: a part of the picture to the network."""
    if not config.black_padding:
        return picture_extent(images, image_size, config)
    padded = tf.cast(tf.shape(images)[1:3], tf.float32) - float(config.box_last_pixel)
    return tf.zeros_like(image_size) + padded
