"""Criteria, arbiters and schedules by a recipe's names. A new one is a line here and a name in settings/recipe.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pruning
import schedules
from experiments.settings.recipe import PruningSettings, ScheduleName

ARBITERS = {
    "weighted_sum": pruning.WeightedSum,
    "sum": pruning.Sum,
    "mean": pruning.Mean,
    "union": pruning.Union,
    "mean_rank": pruning.MeanRank,
}
FROM_WEIGHTS: dict[str, Callable[[int], pruning.Criterion]] = {
    "l1": lambda seed: pruning.L1(),
    "l2": lambda seed: pruning.L2(),
    "group_l1": lambda seed: pruning.GroupL1(),
    "group_l2": lambda seed: pruning.GroupL2(),
    "fpgm": lambda seed: pruning.FPGM(),
    "batch_norm_scale": lambda seed: pruning.BatchNormScale(),
    "random": lambda seed: pruning.Random(seed=seed),
}
FROM_DATA: dict[str, Callable[..., pruning.TaskCriterion]] = {
    "taylor": lambda chunk, **given: pruning.Taylor(**given),
    "fisher": lambda chunk, **given: pruning.Fisher(**given),
    "loss_rise": lambda chunk, **given: pruning.LossRise(chunk=chunk, progress=False, **given),
}
SCHEDULES: dict[str, Callable[..., schedules.Schedule]] = {
    "polynomial_decay": lambda power, **when: schedules.PolynomialDecay(**when, power=power),
    "iterative": lambda power, **when: schedules.IterativeSparsity(**when),
    "exponential": lambda power, **when: schedules.ExponentialSparsity(**when),
    "cosine": lambda power, **when: schedules.CosineSparsity(**when),
    "one_cycle": lambda power, **when: schedules.OneCycleSparsity(**when),
}


def from_weights(name: str, seed: int) -> pruning.Criterion:
    """A criterion that looks at weights alone.

    Args:
        name: of `FROM_WEIGHTS`.
        seed: of random scores.
    """
    return FROM_WEIGHTS[name](seed)


def from_data(
    name: str, task_losses: Callable, batches: Sequence, input_shapes: dict[str, tuple], chunk: int
) -> pruning.TaskCriterion:
    """A criterion that looks at each task's loss; its `by_task(graph)` is for an arbiter to join.

    Args:
        name: of `FROM_DATA`.
        task_losses: batch -> {task: loss} of the very model that is scored.
        batches: training batches.
        input_shapes: what MACs are counted for, where scores are per MAC.
        chunk: see `pruning.LossRise`.
    """
    return FROM_DATA[name](
        chunk=chunk,
        task_losses=task_losses,
        batches=batches,
        input_shapes=input_shapes,
    )


def gradual(name: ScheduleName, pruning_: PruningSettings, ratio: float, steps: int) -> schedules.Schedule:
    """The schedule of a run that loses its channels little by little.

    Args:
        name: of `SCHEDULES`.
        pruning_: how it goes.
        ratio: the sparsity at its end.
        steps: updates of the whole fine-tuning.
    """
    return SCHEDULES[name](
        initial_sparsity=0.0,
        final_sparsity=ratio,
        begin_step=0,
        end_step=max(1, round(pruning_.gradual_share * steps)),
        frequency=pruning_.gradual_frequency,
        power=pruning_.gradual_power,
    )
