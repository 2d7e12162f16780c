"""Per-task evaluation: each task on a probe set of its own, and all of them end to end."""

from maskrcnn.evaluation.end_to_end.detections_only import confident, evaluate_detections
from maskrcnn.evaluation.evaluator import Evaluation, Evaluator
from maskrcnn.evaluation.floors import ceilings, floors
from maskrcnn.evaluation.known_truth import KnownTruth
from maskrcnn.evaluation.measures import MEASURES, TASKS, Measure, columns, nested, normalised_quality
from maskrcnn.evaluation.passes import evaluate, evaluate_in_detail
from maskrcnn.evaluation.probe import ImageProbes, ProbeSet, image_probes, probe_set

__all__ = [
    "MEASURES",
    "TASKS",
    "Evaluation",
    "Evaluator",
    "ImageProbes",
    "KnownTruth",
    "Measure",
    "ProbeSet",
    "ceilings",
    "columns",
    "confident",
    "evaluate",
    "evaluate_detections",
    "evaluate_in_detail",
    "floors",
    "image_probes",
    "nested",
    "normalised_quality",
    "probe_set",
]
