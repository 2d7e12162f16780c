"""Feature pyramid (Lin et al. 2017)."""

from __future__ import annotations

from keras import layers


def feature_pyramid(maps, width: int):
    """P2 to P6 from a backbone's maps.

    Args:
        maps: symbolic maps at strides 4, 8, 16, 32.
        width: channels of every level.

    Returns:
        A list of five symbolic maps at strides 4 to 64; the last only feeds the RPN.
    """
    top = None
    levels = []
    for number, x in reversed(list(enumerate(maps, start=2))):
        lateral = layers.Conv2D(width, 1, kernel_initializer="he_uniform", name=f"fpn_lateral{number}")(x)
        if top is not None:
            raised = layers.UpSampling2D(2, interpolation="nearest", name=f"fpn_up{number}")(top)
            lateral = layers.Add(name=f"fpn_add{number}")([lateral, raised])
        top = lateral
        out = layers.Conv2D(width, 3, padding="same", kernel_initializer="glorot_uniform", name=f"fpn_output{number}")
        levels.append(out(top))
    levels.reverse()
    return [*levels, layers.MaxPooling2D(1, 2, name="fpn_pool6")(levels[-1])]
