"""Pruning-aware decay: the weights of channels that will go are pulled to zero while the network still trains."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.plans.pruning_plan import Plan


class ChannelDecay(keras.callbacks.Callback):
    """Decays the weights of chosen channels after every update; a subclass says which, and how hard.

    After update n each trainable weight that makes or carries a chosen channel (kernel, bias, scale and shift of its
    batch norm) is multiplied by 1 - learning_rate * coefficient(n), never by less than 0. That is decoupled weight
    decay (Loshchilov & Hutter 2019): under Adam, a penalty inside the gradient would be divided by its own size. What
    reads the channels is left alone, as in the papers, and so are frozen weights; the cut takes both.

    Steps are `optimizer.iterations`. Nothing is silenced or held here: that is the cut's part.

    Args:
        plan_at: step -> the plan of the channels that decay from there on.
        until: the update up to which it works.
        graph: of the model; a new one if None.

    Attributes:
        chosen: the latest plan, or None.
    """

    def __init__(self, plan_at: Callable[[int], Plan], until: int, graph: ChannelGraph | None = None) -> None:
        super().__init__()
        if until < 1:
            raise ValueError(f"{type(self).__name__}: until is {until!r}; expected 1 or more updates")
        self.until = until
        self.chosen: Plan | None = None
        self._plan_at, self._given = plan_at, graph
        self._spots: list[tuple[Any, Any]] = []

    def coefficient(self, step: int) -> float:
        """What the learning rate is multiplied by, after update `step` (from 0)."""
        raise NotImplementedError

    def turn(self, step: int) -> int:
        """The step at which the channels that decay at `step` were chosen; -1: all prunable ones decay."""
        raise NotImplementedError

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._graph = self._given or ChannelGraph(self.model)
        self._turn: int | None = None
        self._step = int(self.model.optimizer.iterations)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Choose, if it is time."""
        if self._step < self.until and self.turn(self._step) != self._turn:
            self._turn = self.turn(self._step)
            if self._turn < 0:
                gone = {group.name: np.ones(group.size, bool) for group in self._graph.prunable}
            else:
                self.chosen = self._plan_at(self._turn)
                gone = self.chosen.channels(self._graph)
            self._spots = [(v, keras.ops.convert_to_tensor(m)) for v, m in made_by(self._graph, gone)]

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Decay."""
        if self._step < self.until:
            sync = getattr(self.model, "jax_state_sync", None)  # JAX keeps the weights elsewhere during an epoch
            if sync is not None:
                sync()
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            shrink = min(1.0, rate * self.coefficient(self._step))
            for variable, chosen in self._spots:
                variable.assign(variable * keras.ops.cast(1.0 - shrink * chosen, variable.dtype))
        self._step = int(self.model.optimizer.iterations)


class SelectiveWeightDecay(ChannelDecay):
    """SWD: what would be pruned now decays by weight_decay * a, and a grows exponentially from `first` to `last`.

    Tessier et al., "Rethinking Weight Decay for Efficient Neural Network Pruning", J. Imaging 2022, arXiv 2011.10520:
    the penalty is a * mu / 2 times the squared norm of the weights under the current pruning threshold, mu being the
    weight decay. The coefficient multiplies mu: 1e5 by itself would diverge. Channels that grow again are let go at
    the next choice. The paper chooses anew at every update; `frequency` makes that affordable.

    Args:
        plan_at: step -> the plan of the channels that would go then; called every `frequency` updates.
        until: update of the cut.
        weight_decay: mu, of the training.
        first, last: a at the first update and at the last.
        frequency: updates between choices.
        graph: see ChannelDecay.
    """

    def __init__(
        self,
        plan_at: Callable[[int], Plan],
        until: int,
        weight_decay: float,
        first: float = 0.1,
        last: float = 1e5,
        frequency: int = 10,
        graph: ChannelGraph | None = None,
    ) -> None:
        super().__init__(plan_at, until, graph)
        if not (weight_decay > 0 and 0 < first <= last < math.inf and frequency >= 1):
            raise ValueError(
                f"SelectiveWeightDecay: weight_decay is {weight_decay!r}, first {first!r}, last {last!r}, frequency "
                f"{frequency!r}; expected a weight decay above 0, which a multiplies, 0 < first <= last, and a "
                "frequency of 1 or more"
            )
        self.weight_decay, self.first, self.last, self.frequency = weight_decay, first, last, frequency

    def coefficient(self, step: int) -> float:
        progress = min(1.0, step / max(1, self.until - 1))
        return self.weight_decay * self.first * (self.last / self.first) ** progress

    def turn(self, step: int) -> int:
        return step - step % self.frequency


class GrowingRegularization(ChannelDecay):
    """GReg: the decay of the channels that will go grows by the same step at every interval, up to `ceiling`.

    Wang et al., "Neural Pruning via Growing Regularization", ICLR 2021, arXiv 2012.09243. GReg-1 chooses once, from
    the dense weights. GReg-2 first lets the decay of ALL prunable channels grow, to `share_of_all` of the ceiling, so
    that those that matter stand out (they resist by their curvature); then it chooses by the weights as they are, and
    goes on as GReg-1 does. The paper gives the increment (1e-4, every 10 updates, up to 1); here the ceiling and the
    length are given and the increment follows, because a short training must reach the ceiling too.

    Args:
        plan_at: step -> the plan of the channels that will go; called once.
        until: update of the cut.
        ceiling: the coefficient at the end; with a learning rate r, weights shrink by r * ceiling an update there.
        interval: updates between increments.
        variant: 1 or 2.
        all_updates: share of the updates in which variant 2 lets all channels decay.
        share_of_all: of the ceiling, that all channels reach then; the paper's 0.01.
        graph: see ChannelDecay.
    """

    def __init__(
        self,
        plan_at: Callable[[int], Plan],
        until: int,
        ceiling: float = 100.0,
        interval: int = 10,
        variant: int = 1,
        all_updates: float = 0.3,
        share_of_all: float = 0.01,
        graph: ChannelGraph | None = None,
    ) -> None:
        super().__init__(plan_at, until, graph)
        if not (0 < ceiling < math.inf and interval >= 1 and variant in (1, 2)):
            raise ValueError(
                f"GrowingRegularization: ceiling is {ceiling!r}, interval {interval!r}, variant {variant!r}; expected "
                "a ceiling above 0, an interval of 1 or more updates, and variant 1 or 2"
            )
        if not (0 < all_updates < 1 and 0 < share_of_all <= 1):
            raise ValueError(
                f"GrowingRegularization: all_updates is {all_updates!r}, share_of_all {share_of_all!r}; expected "
                "shares between 0 and 1"
            )
        self.ceiling, self.interval, self.variant, self.share_of_all = ceiling, interval, variant, share_of_all
        self.chosen_at = round(all_updates * until) if variant == 2 else 0

    def coefficient(self, step: int) -> float:
        if step < self.chosen_at:
            return self._grown(step, self.chosen_at, self.share_of_all * self.ceiling)
        return self._grown(step - self.chosen_at, self.until - self.chosen_at, self.ceiling)

    def turn(self, step: int) -> int:
        return -1 if step < self.chosen_at else self.chosen_at

    def _grown(self, step: int, steps: int, ceiling: float) -> float:
        increments = math.ceil(steps / self.interval)
        return ceiling * min(increments, 1 + step // self.interval) / increments


def made_by(graph: ChannelGraph, gone: Mapping[str, np.ndarray]) -> list[tuple[Any, np.ndarray]]:
    """The trainable weights that make or carry channels.

    Args:
        graph: of the model.
        gone: group -> bool (size,).

    Returns:
        (variable, float32 of its shape, 1 where a channel's weights are).
    """
    found: dict[int, tuple[Any, np.ndarray]] = {}
    for group in graph.groups:
        if group.name not in gone:
            continue
        for member in group.members:
            for part in member.parts:
                variable = part.slice.variable
                if member.role == "reads" or not part.slice.zero or not variable.trainable:
                    continue
                _, chosen = found.setdefault(id(variable), (variable, np.zeros(tuple(variable.shape), np.float32)))
                np.moveaxis(chosen, part.slice.axis, 0)[part.at(gone[group.name])] = 1.0
    return [(variable, chosen) for variable, chosen in found.values() if chosen.any()]
