"""Callbacks for `MaskRCNN.fit`."""

from maskrcnn.callbacks.inspect_log import Inspect

__all__ = ["Inspect"]
