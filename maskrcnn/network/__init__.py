"""Everything that has weights: backbones, pyramid and heads, joined once."""

from maskrcnn.network.wiring import build_network, freeze_batch_norm, leaf_layers

__all__ = ["build_network", "freeze_batch_norm", "leaf_layers"]
