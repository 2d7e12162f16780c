"""Weights of other implementations."""

from maskrcnn.weights.report import WeightReport
from maskrcnn.weights.torchvision import load_torchvision

__all__ = ["WeightReport", "load_torchvision"]
