"""Criteria, arbiters and schedules by a recipe's names. A new one is a line here and a name in settings/recipe.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import keras

import pruning
import schedules
from experiments.errors import UserError
from experiments.problem import Problem
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


class Scorer:
    """Scores the channels of one model by a recipe's names, as its weights are when it is asked.

    Args:
        problem: with its recipe; says the task losses, and which samples criteria look at.
        model: compiled.
        seed: of random scores, and of the choice of samples.
        shapes: of the inputs that MACs are counted for.
        charged: (compute, pictures that it looks at, key) -> what `compute()` gives, taken note of, or from before
            where the key is one that it keeps results by.
    """

    def __init__(
        self, problem: Problem, model: keras.Model, seed: int, shapes: dict[str, tuple],
        charged: Callable = lambda compute, pictures, key: compute(),
    ) -> None:  # fmt: skip
        self._problem, self._model, self._seed, self._shapes = problem, model, seed, shapes
        self._charged = charged
        self._criteria: dict[tuple[str, pruning.ChannelGraph], pruning.TaskCriterion] = {}

    def scores(
        self, criterion: str, arbiter: str | None, graph: pruning.ChannelGraph, wanted: PruningSettings,
        key: Hashable = None, normaliser: str = "raw",
    ) -> pruning.Scores:  # fmt: skip
        """One score a channel.

        Args:
            criterion, arbiter: as a recipe names them; the arbiter joins what a criterion from data says by task.
            graph: of the channels that may go.
            wanted: of the recipe; what criteria from data look at.
            key: see `by_task`.
            normaliser: as a recipe names it.

        Raises:
            UserError: the criterion cannot score this network.
        """
        if normaliser == "relative":
            return self.scores(criterion, arbiter, graph, wanted, key).relative()
        if criterion in FROM_WEIGHTS:
            try:
                return self._charged(lambda: from_weights(criterion, self._seed)(graph), 0, None)
            except ValueError as error:  # batch_norm_scale, where a layer has no batch norm
                raise UserError(f"criterion {criterion}: {error} (in a recipe: pruning.exclude)") from error
        assert arbiter is not None, "a criterion by task has an arbiter"
        return ARBITERS[arbiter]()(self.by_task(criterion, graph, wanted, key))

    def by_task(
        self, criterion: str, graph: pruning.ChannelGraph, wanted: PruningSettings, key: Hashable = None
    ) -> Mapping[str, pruning.Scores]:
        """Scores of each task.

        Args:
            criterion: of FROM_DATA.
            graph, wanted: as for `scores`.
            key: to keep the scores by, where the weights are those of before.
        """
        known = (criterion, graph)
        if known not in self._criteria:  # they are kept, because each compiles its gradients once
            batches = self._problem.calibration(wanted.criterion_pictures, self._seed)
            losses = self._problem.task_losses(self._model)
            self._criteria[known] = from_data(criterion, losses, batches, self._shapes, wanted.chunk)
        made = self._criteria[known]
        return self._charged(lambda: made.by_task(graph), wanted.criterion_pictures, key)


def prunable(problem: Problem, model: keras.Model, part: str = "all") -> pruning.ChannelGraph:
    """What may be pruned of a model, as its recipe has it.

    Args:
        problem: with its recipe, and the parts that it declares.
        model: of the problem.
        part: "all" parts, a declared one, or a regular expression of layer names, as `grid.part` has it.

    Raises:
        UserError: nothing may.
    """
    wanted = problem.recipe.pruning
    if part == "all":
        include: Any = wanted.include or None
    else:
        include = f"{re.escape(problem.parts[part])}.*" if part in problem.parts else part
    try:
        graph = pruning.ChannelGraph(model, include=include, exclude=wanted.exclude or None)
    except (ValueError, re.error) as error:
        where = f"part {part!r}" if part != "all" else "the network"
        raise UserError(f"{where} cannot be pruned: {error}; patterns are regular expressions") from error
    if not graph.prunable:
        raise UserError(f"nothing can be pruned in part {part!r} of the network:\n{graph}")
    return graph


def plan_arguments(scope: str, budget: str, wanted: PruningSettings, shapes: dict[str, tuple]) -> dict[str, Any]:
    """How a plan is made by a recipe: arguments of `pruning.plan` and `pruning.PruningCallback`.

    Args:
        scope: where channels compete.
        budget: what ratios are fractions of.
        wanted: of the recipe.
        shapes: of the inputs that MACs are counted for.
    """
    return {
        "scope": scope,
        "measure": budget,
        "round_to": wanted.round_to,
        "min_channels": wanted.min_channels,
        "keep_at_least": wanted.keep_at_least,
        "input_shapes": None if budget == "filters" else shapes,
    }


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
