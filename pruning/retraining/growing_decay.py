"""Pruning-aware decay: channels that are to go fade away while the model trains, and are then removed for nothing."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.plans.pruning_plan import Plan


def selective_decay(steps: int, lowest: float = 0.1, highest: float = 5e4, weight_decay: float = 5e-4) -> Callable:
    """SWD's coefficient: a mu, with a = lowest (highest / lowest)^(step / steps). Tessier et al. 2022.

    a multiplies the weight decay mu: a alone would diverge.

    Args:
        steps: updates over which it grows.
        lowest, highest: a at the first update, and from update `steps` on.
        weight_decay: mu.

    Returns:
        update -> coefficient, for `GrowingDecay`.
    """
    if steps < 1 or not 0 < lowest <= highest or not weight_decay > 0:
        raise ValueError(
            f"steps is {steps}, lowest {lowest}, highest {highest}, weight_decay {weight_decay}; expected 1 or more "
            "steps, 0 < lowest <= highest, and a weight decay above 0"
        )
    return lambda step: weight_decay * lowest * (highest / lowest) ** min(1.0, step / steps)


def growing_regularisation(rise: float = 1e-4, every: int = 5, ceiling: float = 1.0) -> Callable:
    """GReg-1's coefficient: it grows by `rise` every `every` updates, up to `ceiling`. Wang et al., ICLR 2021.

    Returns:
        update -> coefficient, for `GrowingDecay`.
    """
    if every < 1 or not 0 < rise <= ceiling:
        raise ValueError(f"rise is {rise}, every {every}, ceiling {ceiling}; expected every >= 1, 0 < rise <= ceiling")
    return lambda step: min(ceiling, rise * (step // every + 1))


class GrowingDecay(keras.callbacks.Callback):
    """After each update, shrinks the weights of channels that are to go, more and more.

    The step is that of the penalty c/2 |w|^2 taken implicitly, w := w / (1 + rate c), which does not diverge however
    large c grows; to first order it is the decay w - rate c w that the papers add to the gradient.

    ```python
    decay = pruning.GrowingDecay(pruning.plan(graph, scores, 0.5), pruning.selective_decay(1000), graph)
    model.fit(data, callbacks=[decay])
    small = pruning.remove(model, decay.plan)       # hardly anything is lost
    ```

    Args:
        plan: the channels that are to go.
        coefficient: update of this training -> c of 0 or more: `selective_decay(...)`, `growing_regularisation(...)`.
        graph: of the model; made anew if None.

    Attributes:
        plan: as given. Adds `decay` (c) and `fading` (the norm of the fading filters, relative to when training began)
        to the logs of every epoch.
    """

    def __init__(self, plan: Plan, coefficient: Callable[[int], float], graph: ChannelGraph | None = None) -> None:
        super().__init__()
        self.plan, self.coefficient, self._given = plan, coefficient, graph

    def on_train_begin(self, logs: dict | None = None) -> None:
        graph = self._given or ChannelGraph(self.model)
        gone = self.plan.channels(graph)
        places: dict[int, tuple[Any, np.ndarray]] = {}
        for group in graph.prunable:
            for member in group.producers if group.name in gone else ():
                for part in member.parts:
                    if part.slice.zero:
                        variable = part.slice.variable
                        _, goes = places.setdefault(id(variable), (variable, np.zeros(tuple(variable.shape), bool)))
                        np.moveaxis(goes, part.slice.axis, 0)[part.at(gone[group.name])] = True
        self._fading = list(places.values())
        self._begun, self._norm = int(self.model.optimizer.iterations), self._size()
        self._now = 0.0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._now = float(self.coefficient(int(self.model.optimizer.iterations) - self._begun - 1))
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        factor = 1.0 / (1.0 + rate * self._now)
        for variable, goes in self._fading:
            variable.assign(keras.ops.where(goes, variable * factor, variable))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if logs is not None:
            logs["decay"], logs["fading"] = self._now, self._size() / self._norm if self._norm else 0.0

    def _size(self) -> float:
        parts = [np.asarray(variable)[goes] for variable, goes in self._fading]
        return math.sqrt(sum(float(np.square(part, dtype=np.float64).sum()) for part in parts))
