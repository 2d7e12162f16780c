"""Which channels go, and how they go: structured pruning for any Keras 3 Functional model."""

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
from pruning.retraining.channel_decay import GrowingRegularization, SelectiveWeightDecay
from pruning.retraining.distillation import Distillation, DistillationLog, DistilledPair
from pruning.retraining.distillation_losses import (
    attention_transfer,
    binary_soft_targets,
    relative_difference,
    soft_targets,
)
from pruning.retraining.rewinding import KeepWeights, rewind
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
    "Distillation",
    "DistillationLog",
    "DistilledPair",
    "Fisher",
    "GateCriterion",
    "GrowingRegularization",
    "KeepWeights",
    "Latency",
    "LossRise",
    "MeanRank",
    "Plan",
    "PruningCallback",
    "Random",
    "Scores",
    "SelectiveWeightDecay",
    "TaskCriterion",
    "Taylor",
    "Union",
    "WeightedSum",
    "apply_masks",
    "attention_transfer",
    "binary_soft_targets",
    "cost",
    "hold",
    "latency",
    "mask",
    "masked",
    "masked_class",
    "plan",
    "recalibrate",
    "register",
    "relative_difference",
    "remove",
    "rewind",
    "silent",
    "soft_targets",
]
