"""Weights of other implementations, and of models of this one with other classes."""

from maskrcnn.weights.coco_classes import COCO_CLASS_NAMES, COCO_CLASSES
from maskrcnn.weights.own_model import load_keras
from maskrcnn.weights.report import WeightReport
from maskrcnn.weights.torchvision import load_torchvision

__all__ = ["COCO_CLASSES", "COCO_CLASS_NAMES", "WeightReport", "load_keras", "load_torchvision"]
