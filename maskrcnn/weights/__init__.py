"""Weights of other implementations, and of models of this one with other classes."""

from maskrcnn.weights.coco_classes import COCO_CLASS_NAMES, COCO_CLASSES, MATTERPORT_CLASS_NAMES
from maskrcnn.weights.matterport import load_matterport
from maskrcnn.weights.own_model import load_keras
from maskrcnn.weights.report import WeightReport
from maskrcnn.weights.torchvision import load_torchvision
from maskrcnn.weights.torchvision_file import save_torchvision

__all__ = [
    "COCO_CLASSES",
    "COCO_CLASS_NAMES",
    "MATTERPORT_CLASS_NAMES",
    "WeightReport",
    "load_keras",
    "load_matterport",
    "load_torchvision",
    "save_torchvision",
]
