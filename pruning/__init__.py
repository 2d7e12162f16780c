"""Which channels go, and how they go: structured pruning for any Keras 3 Functional model."""

from pruning.allocation import plan
from pruning.arbiters import Arbiter, MeanRank, Union, WeightedSum
from pruning.callback import PruningCallback
from pruning.costs import Cost, cost
from pruning.criteria import Criterion, Random, Scores
from pruning.graph import ChannelGraph
from pruning.loss_rise import LossRise
from pruning.magnitude import L1, L2
from pruning.masking import apply_masks, hold, mask, silent
from pruning.optimizer import masked, masked_class
from pruning.plans import Plan
from pruning.recalibration import recalibrate
from pruning.removal import remove
from pruning.rules import register
from pruning.saliency import Fisher, GateCriterion, Taylor
from pruning.task_criterion import TaskCriterion
from pruning.timing import Latency, latency

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
    "plan",
    "recalibrate",
    "register",
    "remove",
    "silent",
]
