"""Whole detectors as files of other runtimes, and such files run as if they were models."""

from maskrcnn.export.differences_to_model import FileDifference, file_difference
from maskrcnn.export.export_choices import FORMATS, MASKS, PRECISIONS
from maskrcnn.export.exported_detector import ExportedDetector, is_exported, load
from maskrcnn.export.litert_operators import LiteRTOperator, operators

__all__ = [
    "FORMATS",
    "MASKS",
    "PRECISIONS",
    "ExportedDetector",
    "FileDifference",
    "LiteRTOperator",
    "file_difference",
    "is_exported",
    "load",
    "operators",
]
