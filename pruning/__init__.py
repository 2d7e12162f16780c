"""Which channels go, and how they go: structured pruning for any Keras 3 Functional model."""

from pruning.compression.batch_norm_folding import fold_batch_norm
from pruning.compression.compact_file import load_compact, save_compact
from pruning.compression.half_precision import to_float16
from pruning.compression.quantization import quantize
from pruning.compression.quantization_report import QuantizationReport
from pruning.compression.weight_clustering import cluster
from pruning.costs.model_cost import Cost, cost
from pruning.costs.timing import Latency, latency
from pruning.graph.channel_graph import ChannelGraph
from pruning.layers.rules import register
from pruning.masks.holding_optimizer import masked, masked_class
from pruning.masks.masking import apply_masks, hold, mask, silent
from pruning.masks.pruning_callback import PruningCallback
from pruning.plans.allocation import plan
from pruning.plans.pruning_plan import Plan
from pruning.removal.recalibration import recalibrate
from pruning.removal.smaller_model import remove
from pruning.scores.arbiters import Arbiter, MeanRank, Union, WeightedSum
from pruning.scores.criteria import Criterion, Random, Scores
from pruning.scores.loss_rise import LossRise
from pruning.scores.magnitude import L1, L2
from pruning.scores.saliency import Fisher, GateCriterion, Taylor
from pruning.scores.task_criterion import TaskCriterion

__all__ = [
    "L1",
    "L2",
    "Arbiter",
    "ChannelGraph",
    "Cost",
    "Criterion",
    "Fisher",
    "GateCriterion",
    "Latency",
    "LossRise",
    "MeanRank",
    "Plan",
    "PruningCallback",
    "QuantizationReport",
    "Random",
    "Scores",
    "TaskCriterion",
    "Taylor",
    "Union",
    "WeightedSum",
    "apply_masks",
    "cluster",
    "cost",
    "fold_batch_norm",
    "hold",
    "latency",
    "load_compact",
    "mask",
    "masked",
    "masked_class",
    "plan",
    "quantize",
    "recalibrate",
    "register",
    "remove",
    "save_compact",
    "silent",
    "to_float16",
]
