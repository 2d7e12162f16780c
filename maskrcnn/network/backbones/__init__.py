"""Backbones: a picture in, maps at strides 4, 8, 16 and 32 out."""

from maskrcnn.network.backbones.build import named_backbone
from maskrcnn.network.backbones.given import given_backbone

__all__ = ["given_backbone", "named_backbone"]
