"""Mask R-CNN for Keras 3: data, model, training, detection and evaluation task by task.

Names are imported when they are first used: a recipe can be read, and its errors shown, without TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskrcnn import callbacks, data, export, inspect, layers, weights
    from maskrcnn.config import MaskRCNNConfig
    from maskrcnn.detection.detections import Detections, Measured
    from maskrcnn.detection.frozen_detector import FrozenDetector
    from maskrcnn.evaluation import evaluate
    from maskrcnn.model import MaskRCNN, load
    from maskrcnn.network import build_network
    from maskrcnn.regions.pasting import paste_masks

_PLACES = {
    "Detections": "detection.detections",
    "FrozenDetector": "detection.frozen_detector",
    "MaskRCNN": "model",
    "MaskRCNNConfig": "config",
    "Measured": "detection.detections",
    "build_network": "network",
    "evaluate": "evaluation",
    "load": "model",
    "paste_masks": "regions.pasting",
}
__all__ = [
    "Detections",
    "FrozenDetector",
    "MaskRCNN",
    "MaskRCNNConfig",
    "Measured",
    "build_network",
    "callbacks",
    "data",
    "evaluate",
    "export",
    "inspect",
    "layers",
    "load",
    "paste_masks",
    "weights",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        found = getattr(importlib.import_module(f"maskrcnn.{_PLACES[name]}"), name)
    elif name in ("callbacks", "data", "export", "inspect", "layers", "weights"):
        found = importlib.import_module(f"maskrcnn.{name}")
    else:
        raise AttributeError(f"module 'maskrcnn' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
