"""Mask R-CNN for Keras 3: data, model, training, detection and evaluation task by task."""

from maskrcnn import data, weights
from maskrcnn.config import MaskRCNNConfig
from maskrcnn.evaluation import evaluate
from maskrcnn.inference import Detections, Measured
from maskrcnn.masks import paste_masks
from maskrcnn.model import MaskRCNN, load

__all__ = ["Detections", "MaskRCNN", "MaskRCNNConfig", "Measured", "data", "evaluate", "load", "paste_masks", "weights"]
