"""MobileNet V1 and V2 from keras.applications, cut where the stride changes."""

from __future__ import annotations

import warnings

import keras

# Last layer at strides 4, 8, 16 and 32.
V1_MAPS = ("conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu")
V2_MAPS = ("block_2_add", "block_5_add", "block_12_add", "out_relu")

# Of batch norms that train from nothing. MobileNet V2's of keras.applications have 0.999, for ImageNet's hundreds of
# thousands of updates: after two thousand, what detection reads is still an eighth of what they began with.
MOMENTUM = 0.99


def mobilenet(image, config):
    """Maps at strides 4, 8, 16 and 32 of the MobileNet that the config names. See `named_backbone`."""
    make, names = {
        "mobilenet": (keras.applications.MobileNet, V1_MAPS),
        "mobilenet_v2": (keras.applications.MobileNetV2, V2_MAPS),
    }[config.backbone]
    try:
        with warnings.catch_warnings():  # that any size is taken is meant
            warnings.filterwarnings("ignore", message="`input_shape` is undefined")
            network = make(
                input_tensor=image,
                input_shape=(None, None, 3),
                alpha=config.backbone_alpha,
                include_top=False,
                weights=config.backbone_weights,
            )
    except ValueError as problem:
        if config.backbone_weights is None:
            raise
        raise ValueError(
            f"backbone_weights={config.backbone_weights!r} do not fit {config.backbone} with "
            f"backbone_alpha={config.backbone_alpha}: {problem}"
        ) from problem
    if config.backbone_weights is None:
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
    return [network.get_layer(name).output for name in names]
