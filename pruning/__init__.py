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
from pruning.scores.arbiters import Arbiter, MeanRank, Union, WeightedSum
from pruning.scores.criteria import Criterion, Random, Scores
from pruning.scores.loss_rise import LossRise
from pruning.scores.magnitude import L1, L2
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
    "L1",
    "L2",
    "AdaptiveLosses",
    "Arbiter",
    "BudgetGuard",
    "BudgetSearch",
    "ChannelGraph",
    "ConflictPenalty",
    "Cost",
    "Criterion",
    "Fisher",
    "Found",
    "GateCriterion",
    "Latency",
    "LossRise",
    "MeanRank",
    "PhasedLosses",
    "Plan",
    "PruningCallback",
    "Random",
    "Ratios",
    "Scores",
    "Sensitivity",
    "Surrogate",
    "TaskAgreement",
    "TaskConflicts",
    "TaskCriterion",
    "TaskMeasures",
    "TaskTracker",
    "Taylor",
    "Trial",
    "Union",
    "WeightedSum",
    "apply_masks",
    "cost",
    "grow_within",
    "hold",
    "latency",
    "loss_weights",
    "mask",
    "masked",
    "masked_class",
    "plan",
    "recalibrate",
    "register",
    "remove",
    "silent",
    "solve_ratios",
    "task_agreement",
    "task_allowances",
    "task_conflicts",
    "task_sensitivity",
]
