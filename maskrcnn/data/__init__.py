"""Pictures with instance masks: sources, augmentation and the training pipeline."""

from .augment import Augmentation
from .coco import load_coco
from .dataset import DataError, Dataset, Sample
from .labelme import load_labelme
from .pipeline import batches
from .resize import resized_size
from .shapes_dataset import shapes
from .shapes_hard import Difficulty
from .via import load_via

__all__ = [
    "Augmentation",
    "DataError",
    "Dataset",
    "Difficulty",
    "Sample",
    "batches",
    "load_coco",
    "load_labelme",
    "load_via",
    "resized_size",
    "shapes",
]
