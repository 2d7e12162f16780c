"""How much to prune, and when: plain Python, with tensorflow-model-optimization's names and arguments.

Always shown qualified (`schedules.PolynomialDecay`), because Keras has a learning-rate schedule of that name.
"""

from schedules.adaptive_weights import AdaptiveWeights
from schedules.curves import (
    CosineSparsity,
    CyclicalSparsity,
    ExponentialSparsity,
    IterativeSparsity,
    OneCycleSparsity,
    PolynomialDecay,
)
from schedules.interop import from_tfmot, to_tfmot
from schedules.levels import ConstantSparsity, OneShot
from schedules.loss_phases import LossPhases
from schedules.repeated import Repeated
from schedules.schedule import Schedule, from_config
from schedules.task_budget import Judgement, TaskBudget
from schedules.tfmot_tables import as_tfmot

__all__ = [
    "AdaptiveWeights",
    "ConstantSparsity",
    "CosineSparsity",
    "CyclicalSparsity",
    "ExponentialSparsity",
    "IterativeSparsity",
    "Judgement",
    "LossPhases",
    "OneCycleSparsity",
    "OneShot",
    "PolynomialDecay",
    "Repeated",
    "Schedule",
    "TaskBudget",
    "as_tfmot",
    "from_config",
    "from_tfmot",
    "to_tfmot",
]
