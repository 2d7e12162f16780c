"""Weight rewinding: back to the weights of an early step, with what was pruned since then held."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.masking import hold
from pruning.plans.pruning_plan import Plan


class KeepWeights(keras.callbacks.Callback):
    """Keeps the weights that a model has after a number of updates.

    Args:
        step: how many updates; 0, the weights that training begins with.
        keep: called with the weights, once; to write them to a file, say.

    Attributes:
        weights: path -> array of every weight, or None while the step is not reached. A training that begins
            behind the step never reaches it.
    """

    def __init__(self, step: int, keep: Callable[[dict[str, np.ndarray]], None] = lambda weights: None) -> None:
        super().__init__()
        if step < 0:
            raise ValueError(f"KeepWeights: step is {step!r}; expected 0 or more updates")
        self.step, self.weights = step, None
        self._keep = keep

    weights: dict[str, np.ndarray] | None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._look()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._look()

    def _look(self) -> None:
        if self.weights is None and int(self.model.optimizer.iterations) == self.step:
            self.weights = {variable.path: np.array(variable) for variable in self.model.weights}
            self._keep(self.weights)


def rewind(model: Any, weights: Mapping[str, np.ndarray], plan: Plan, graph: ChannelGraph | None = None) -> None:
    """Give a model the weights of an early step, and hold a plan's channels silent.

    Frankle et al., "Stabilizing the Lottery Ticket Hypothesis", 2019, arXiv 1903.01611: prune, go back to the
    weights of step k, train again as from there; several rounds of it are iterative magnitude pruning. The
    optimizer's moments are as at the beginning; its count of updates goes on.

    Args:
        model: compiled with `pruning.masked(optimizer)`; changed in place.
        weights: as `KeepWeights` keeps them.
        plan: channels to hold silent.
        graph: the model's graph, if it is at hand.

    Raises:
        ValueError: the weights are those of another model, or the optimizer cannot hold masks.
    """
    optimizer: Any = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    if not hasattr(optimizer, "set_masks"):
        raise ValueError(
            f"model {model.name!r} cannot hold masks in training: compile it with pruning.masked(optimizer)"
        )
    variables = {variable.path: variable for variable in model.weights}
    wrong = [
        path for path, variable in variables.items()
        if path not in weights or np.shape(weights[path]) != tuple(variable.shape)
    ]  # fmt: skip
    if wrong:
        found = "missing" if wrong[0] not in weights else f"of shape {np.shape(weights[wrong[0]])}"
        raise ValueError(
            f"these weights are of another model: {wrong[0]!r} is {found}; expected shape "
            f"{tuple(variables[wrong[0]].shape)}. Keep them with pruning.KeepWeights while this model trains"
        )
    for path, variable in variables.items():
        variable.assign(weights[path])
    if optimizer.built:
        for slots in optimizer.slots().values():
            for slot in slots:
                slot.assign(np.full(tuple(slot.shape), _first_value(optimizer, slot)))
    hold(model, plan, graph)


def _first_value(optimizer: Any, slot: Any) -> float:
    """What a slot begins with: 0, but for the accumulators of Adagrad and Ftrl."""
    accumulates = slot.path.endswith("_accumulator") and not slot.path.endswith("_gradient_accumulator")
    return float(getattr(optimizer, "initial_accumulator_value", 0.0)) if accumulates else 0.0
