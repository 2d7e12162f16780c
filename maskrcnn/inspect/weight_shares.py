"""The kernels of a network, layer by layer, and what of them is pruned."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from maskrcnn.inspect.activation_maps import parts_of_layers
from maskrcnn.network import leaf_layers


@dataclasses.dataclass(frozen=True)
class LayerWeights:
    """One layer's kernel.

    Attributes:
        layer: its name; part: of the network, such as "box_head".
        values: (W,) float32, all of the kernel's weights.
        zero: (C,) bool, output channels whose weights are all 0.
        silenced: (C,) bool, output channels that are known to be pruned; None: nothing is known.
    """

    layer: str
    part: str
    values: np.ndarray
    zero: np.ndarray
    silenced: np.ndarray | None = None

    @property
    def pruned(self) -> np.ndarray:
        """(C,) bool: what is known to be pruned, or, where nothing is known, what is all 0."""
        return self.zero if self.silenced is None else self.silenced


def layer_weights(model: Any, silenced: Mapping[str, np.ndarray] | None = None) -> list[LayerWeights]:
    """The kernels of a MaskRCNN, in the network's order.

    Args:
        model: a MaskRCNN.
        silenced: layer -> (C,) bool, channels that are known to be pruned.
    """
    parts, found = parts_of_layers(model.network), []
    for layer in leaf_layers(model.network):
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        values = keras.ops.convert_to_numpy(kernel).astype(np.float32)
        # A transposed convolution has its outputs before its inputs; a depthwise one, one or more of each input.
        if isinstance(layer, keras.layers.Conv2DTranspose):
            by_channel = np.moveaxis(values, -2, -1)
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            by_channel = values.reshape(*values.shape[:2], -1)
        else:
            by_channel = values
        zero = ~np.any(by_channel.reshape(-1, by_channel.shape[-1]), axis=0)
        found.append(
            LayerWeights(layer.name, parts[layer.name], values.ravel(), zero, (silenced or {}).get(layer.name))
        )
    return found
