"""Which channels go, and how they go: structured pruning for any Keras 3 Functional model."""

from pruning.costs.model_cost import Cost, cost
from pruning.costs.timing import Latency, latency
from pruning.graph.channel_graph import ChannelGraph
from pruning.layers.rules import register
from pruning.masks.holding_optimizer import masked, masked_class
from pruning.masks.mask_state import silent
from pruning.masks.masking import apply_masks, hold, mask
from pruning.masks.pruning_callback import PruningCallback
from pruning.plans.allocation import plan
from pruning.plans.pruning_plan import Plan
from pruning.removal.norm_readings import NormStatistics, norm_statistics
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
    "NormStatistics",
    "Plan",
    "PruningCallback",
    "Random",
    "Scores",
    "TaskCriterion",
    "Taylor",
    "Union",
    "WeightedSum",
    "apply_masks",
    "cost",
    "hold",
    "latency",
    "mask",
    "masked",
    "masked_class",
    "norm_statistics",
    "plan",
    "recalibrate",
    "register",
    "remove",
    "silent",
]
