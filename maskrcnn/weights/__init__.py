"""Weights of other implementations."""

from maskrcnn.weights.coco_classes import COCO_CLASS_NAMES, COCO_CLASSES
from maskrcnn.weights.report import WeightReport
from maskrcnn.weights.torchvision import load_torchvision

__all__ = ["COCO_CLASSES", "COCO_CLASS_NAMES", "WeightReport", "load_torchvision"]
