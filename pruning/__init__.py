"""Which channels go, and how they go: structured pruning for any Keras 3 Functional model."""

from pruning.compression.batch_norm_folding import fold_batch_norm
from pruning.compression.compact_file import load_compact, save_compact
from pruning.compression.half_precision import to_float16
from pruning.compression.quantization import quantize
from pruning.compression.quantization_report import QuantizationReport
from pruning.compression.tf_keras_twin import take_weights, tensorflow_model_optimization, to_tf_keras
from pruning.compression.weight_clustering import cluster
from pruning.costs.model_cost import Cost, cost
from pruning.costs.timing import Latency, latency
from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.graph_report import GraphReport
from pruning.layers.layer_rule import LayerRule
from pruning.layers.registry import register
from pruning.masks.holding_optimizer import masked, masked_class
from pruning.masks.mask_state import silent
from pruning.masks.masking import apply_masks, hold, mask
from pruning.masks.pruning_callback import PruningCallback
from pruning.plans.allocation import plan
from pruning.plans.pruning_plan import Plan
from pruning.removal.norm_readings import NormStatistics, norm_statistics
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
from pruning.scores.arbiters import Arbiter, Mean, MeanRank, Sum, Union, WeightedSum
from pruning.scores.batch_norm_scale import BatchNormScale
from pruning.scores.criteria import Criterion, Random, Scores
from pruning.scores.geometric_median import FPGM
from pruning.scores.group_magnitude import GroupL1, GroupL2
from pruning.scores.loss_rise import LossRise
from pruning.scores.magnitude import L1, L2, FilterCriterion
from pruning.scores.saliency import Fisher, GateCriterion, Taylor
from pruning.scores.task_criterion import TaskCriterion
from pruning.tasks.budgets.budget_guard import BudgetGuard
from pruning.tasks.budgets.budget_search import BudgetSearch
from pruning.tasks.budgets.budget_trials import Found, Trial
from pruning.tasks.budgets.loss_surrogate import Surrogate, grow_within
from pruning.tasks.budgets.task_allowance import task_allowances
from pruning.tasks.loss_weights import AdaptiveLosses, PhasedLosses, loss_weights
from pruning.tasks.reports.gradient_conflict import ConflictPenalty, TaskConflicts, task_conflicts
from pruning.tasks.reports.sensitivity import Sensitivity, task_sensitivity
from pruning.tasks.reports.solved_ratios import Ratios, solve_ratios
from pruning.tasks.reports.task_agreement import TaskAgreement, task_agreement
from pruning.tasks.task_measures import TaskMeasures
from pruning.tasks.tracking.task_tracker import TaskTracker

__all__ = [
    "FPGM",
    "L1",
    "L2",
    "AdaptiveLosses",
    "Arbiter",
    "BatchNormScale",
    "BudgetGuard",
    "BudgetSearch",
    "ChannelGraph",
    "ConflictPenalty",
    "Cost",
    "Criterion",
    "FilterCriterion",
    "Distillation",
    "DistillationLog",
    "DistilledPair",
    "Fisher",
    "Found",
    "GateCriterion",
    "GraphReport",
    "GroupL1",
    "GroupL2",
    "GrowingRegularization",
    "KeepWeights",
    "Latency",
    "LayerRule",
    "LossRise",
    "Mean",
    "MeanRank",
    "PhasedLosses",
    "NormStatistics",
    "Plan",
    "PruningCallback",
    "QuantizationReport",
    "Random",
    "Ratios",
    "Scores",
    "Sum",
    "Sensitivity",
    "Surrogate",
    "TaskAgreement",
    "TaskConflicts",
    "SelectiveWeightDecay",
    "TaskCriterion",
    "TaskMeasures",
    "TaskTracker",
    "Taylor",
    "Trial",
    "Union",
    "WeightedSum",
    "apply_masks",
    "cluster",
    "attention_transfer",
    "binary_soft_targets",
    "cost",
    "fold_batch_norm",
    "hold",
    "latency",
    "load_compact",
    "grow_within",
    "loss_weights",
    "mask",
    "masked",
    "masked_class",
    "norm_statistics",
    "plan",
    "quantize",
    "recalibrate",
    "register",
    "relative_difference",
    "remove",
    "save_compact",
    "silent",
    "take_weights",
    "tensorflow_model_optimization",
    "to_float16",
    "to_tf_keras",
    "solve_ratios",
    "task_agreement",
    "task_allowances",
    "task_conflicts",
    "task_sensitivity",
    "rewind",
    "soft_targets",
]
