"""Everything that has weights: backbones, pyramid and heads, joined once."""

from maskrcnn.network.freezing import freeze_batch_norm, leaf_layers, training_only
from maskrcnn.network.wiring import build_network

__all__ = ["build_network", "freeze_batch_norm", "leaf_layers", "training_only"]
