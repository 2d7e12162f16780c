"""Pictures with instance masks: sources, augmentation and the training pipeline.

What needs TensorFlow is imported when it is first used: reading annotations does not.
"""

import importlib
from typing import TYPE_CHECKING, Any

from .dataset import DataError, Dataset, DataWarning, Entry, Sample
from .formats.coco import load_coco
from .formats.coco_results import coco_results, write_coco_results
from .formats.cvat import load_cvat
from .formats.labelme import load_labelme
from .formats.mask_folder import load_masks
from .formats.via import load_via
from .in_memory import from_arrays
from .layouts import annotations_in
from .loading import load
from .picture_files.image_file import ENDINGS as PICTURE_ENDINGS
from .picture_files.image_file import picture_paths, read_picture
from .picture_files.picture_source import PictureBytes
from .resize import resized_size
from .synthetic.shapes_dataset import shapes
from .synthetic.shapes_hard import Difficulty

if TYPE_CHECKING:
    from .batching.augment import Augmentation
    from .batching.batch import whole_masks
    from .batching.pipeline import batches

_PLACES = {"Augmentation": "augment", "batches": "pipeline", "whole_masks": "batch"}
__all__ = [
    "Augmentation",
    "DataError",
    "DataWarning",
    "Dataset",
    "Difficulty",
    "Entry",
    "Sample",
    "PICTURE_ENDINGS",
    "annotations_in",
    "PictureBytes",
    "batches",
    "coco_results",
    "from_arrays",
    "load",
    "load_coco",
    "load_cvat",
    "load_labelme",
    "load_masks",
    "load_via",
    "picture_paths",
    "read_picture",
    "resized_size",
    "shapes",
    "whole_masks",
    "write_coco_results",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.batching.{_PLACES[name]}"), name)
    globals()[name] = found
    return found
