"""Backbones: a picture in, maps at strides 4, 8, 16 and 32 out."""

from maskrcnn.network.backbones.build import backbone

__all__ = ["backbone"]
