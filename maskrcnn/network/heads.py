"""The three heads, each a Functional model. Their answers are in full precision, also under mixed policies."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
from keras import layers


def _full() -> str:
    """Full precision, whatever the policy: "float32", unless Keras is set to "float64"."""
    return keras.config.floatx()


def _small(stddev):
    return keras.initializers.RandomNormal(stddev=stddev)


def rpn_head(width_in: int, anchors: int, width: int, name: str = "rpn") -> keras.Model:
    """Objectness and deltas of every anchor; one head for all levels.

    Called on a map (B, h, w, width_in); returns logits (B, h, w, A) and deltas (B, h, w, 4 A),
    anchor by anchor (dx, dy, dw, dh).

    Args:
        width_in: channels of the map.
        anchors: A, of each cell.
        width: channels between the map and the answers.
        name: of the model.
    """
    feature = keras.Input((None, None, width_in), name="rpn_feature")
    x = layers.Conv2D(
        width, 3, padding="same", activation="relu", kernel_initializer=_small(0.01), name="rpn_conv"
    )(feature)
    logits = layers.Conv2D(anchors, 1, kernel_initializer=_small(0.01), dtype=_full(), name="rpn_class")(x)
    deltas = layers.Conv2D(4 * anchors, 1, kernel_initializer=_small(0.01), dtype=_full(), name="rpn_bbox")(x)
    return keras.Model(feature, [logits, deltas], name=name)


def _activated(make, norm: float | None, name: str, x):
    """`make(activation=..., name=...)`, a layer, on x with a ReLU; batch norm of the epsilon `norm` between, if any."""
    if norm is None:
        return make(activation="relu", name=name)(x)
    x = layers.BatchNormalization(epsilon=norm, name=f"{name}_norm")(make(name=name)(x))
    return layers.ReLU(name=f"{name}_relu")(x)


def box_head(
    width_in: int, size: int, classes: int, widths: Sequence[int], name: str = "box_head", norm: float | None = None
) -> keras.Model:
    """Class and box of each region.

    Called on (R, size, size, width_in); returns class logits (R, classes), background first, and deltas
    (R, 4 classes), class by class.

    Args:
        width_in: channels of a region; size: its bins along each side.
        classes: with the background.
        widths: of the layers between the region and the answers.
        name: of the model.
        norm: epsilon of batch norm behind these layers; None: no batch norm.
    """
    region = keras.Input((size, size, width_in), name="box_region")
    x = layers.Flatten(name="box_flatten")(region)
    for index, width in enumerate(widths, start=1):
        dense = functools.partial(layers.Dense, width, kernel_initializer="he_uniform")
        x = _activated(dense, norm, f"box_fc{index}", x)
    logits = layers.Dense(classes, kernel_initializer=_small(0.01), dtype=_full(), name="mrcnn_class_logits")(x)
    deltas = layers.Dense(4 * classes, kernel_initializer=_small(0.001), dtype=_full(), name="mrcnn_bbox")(x)
    return keras.Model(region, [logits, deltas], name=name)


def mask_head(
    width_in: int, size: int, classes: int, widths: Sequence[int], deconv_width: int, name: str = "mask_head",
    norm: float | None = None,
) -> keras.Model:  # fmt: skip
    """A mask for each class of each region.

    Called on (R, size, size, width_in); returns logits (R, 2 size, 2 size, classes). The background's channel is
    there so that a channel's index is its label; nothing reads it.

    Args:
        width_in: channels of a region; size: its bins along each side.
        classes: with the background.
        widths: of the convolutions at the region's size; deconv_width: of the one that doubles it.
        name: of the model.
        norm: epsilon of batch norm behind the former; None: no batch norm.
    """
    region = keras.Input((size, size, width_in), name="mask_region")
    x = region
    for index, width in enumerate(widths, start=1):
        conv = functools.partial(layers.Conv2D, width, 3, padding="same", kernel_initializer="he_normal")
        x = _activated(conv, norm, f"mask_conv{index}", x)
    x = layers.Conv2DTranspose(
        deconv_width, 2, 2, activation="relu", kernel_initializer="he_normal", name="mask_deconv"
    )(x)
    logits = layers.Conv2D(classes, 1, kernel_initializer="he_normal", dtype=_full(), name="mrcnn_mask")(x)
    return keras.Model(region, logits, name=name)
