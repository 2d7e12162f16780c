"""Everything that has weights: backbones, pyramid and heads, joined once."""

from maskrcnn.network.wiring import build_network, leaf_layers

__all__ = ["build_network", "leaf_layers"]
