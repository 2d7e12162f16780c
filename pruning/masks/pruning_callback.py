"""Pruning inside `model.fit`: scores, plans, masks and holds at a schedule's steps."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.masking import hold, holder, silent
from pruning.plans.allocation import plan
from pruning.plans.pruning_plan import Plan
from pruning.scores.criteria import Scores
from pruning.wrong_objects import needs_criterion, needs_schedule


class PruningCallback(keras.callbacks.Callback):
    """Prunes a model while it trains, and holds what it pruned.

    Steps are `optimizer.iterations`: a turn of the schedule at step n comes before update n, and one at its
    end step also when training ends there. Channels only ever go: those that are silent stay so, also in a
    model or optimizer that was loaded. Where several steps run in one execution, the latest turn among them
    counts.

    Args:
        criterion: `criterion(graph) -> Scores`, such as `pruning.L1()`.
        schedule: `schedule(step) -> (should_prune, sparsity)`, such as `schedules.PolynomialDecay(...)`.
        scope, measure, round_to, min_channels, keep_at_least, max_sparsity, input_shapes: as for `pruning.plan`.
        include, exclude: as for `pruning.ChannelGraph`.
        graph: a graph of the model to use instead of a new one; then `include` and `exclude` are its own.

    Attributes:
        plan: the latest Plan, or None.

    Adds `sparsity` (achieved) and `sparsity_asked` to the logs of every epoch.

    Raises:
        ValueError: the schedule's sparsity falls; at the start of training: the optimizer cannot hold masks.
    """

    def __init__(
        self,
        criterion: Callable[[ChannelGraph], Scores],
        schedule: Callable[[int], tuple[bool, float]],
        scope: str = "layer",
        *,
        measure: str = "filters",
        round_to: int = 1,
        min_channels: int = 1,
        keep_at_least: float = 0.0,
        max_sparsity: Mapping[str, float] | None = None,
        input_shapes: Any = None,
        include: Any = None,
        exclude: Any = None,
        graph: ChannelGraph | None = None,
    ) -> None:
        super().__init__()
        needs_criterion(criterion, "pruning.PruningCallback(pruning.L1(), schedule)")
        needs_schedule(schedule)
        if not getattr(schedule, "rises", True):
            raise ValueError(
                f"{type(schedule).__name__}: its sparsity falls between waves, but pruned channels do not "
                "come back; use a schedule that only rises"
            )
        if graph is not None and (include is not None or exclude is not None):
            raise ValueError("give include and exclude to the ChannelGraph, or leave graph out")
        self.criterion = criterion
        self.schedule = schedule
        self.settings = {
            "scope": scope,
            "measure": measure,
            "round_to": round_to,
            "min_channels": min_channels,
            "keep_at_least": keep_at_least,
            "max_sparsity": max_sparsity,
            "input_shapes": input_shapes,
        }
        self.include, self.exclude = include, exclude
        self.plan: Plan | None = None
        self._given = graph
        self._graph: ChannelGraph  # from the beginning of training on
        self._next = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Read the graph, and hold what is silent already."""
        holder(self.model)
        self._graph = self._given or ChannelGraph(self.model, include=self.include, exclude=self.exclude)
        now = self._next = self._step()
        gone = silent(self._graph)
        if any(channels.any() for channels in gone.values()):
            self._hold(self._kept(gone))
            return
        missed = [sparsity for due, sparsity in map(self.schedule, range(now)) if due]
        if missed and missed[-1] > 0:  # a turn lies behind us and nothing is pruned: make up for it
            self._prune(missed[-1])

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Take the schedule's turn, if one is due."""
        self._take_turns(self._step())

    def on_train_end(self, logs: dict | None = None) -> None:
        """Take the turn of an end step that is reached exactly when training ends."""
        now = self._step()
        if getattr(self.schedule, "end_step", None) == now:
            self._take_turns(now)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Log the sparsity asked and achieved."""
        if logs is not None:
            logs["sparsity"] = self.plan.achieved if self.plan else 0.0
            logs["sparsity_asked"] = self.plan.asked if self.plan else 0.0

    def _step(self) -> int:
        return int(self.model.optimizer.iterations)

    def _take_turns(self, now: int) -> None:
        turns = [sparsity for due, sparsity in map(self.schedule, range(self._next, now + 1)) if due]
        self._next = max(self._next, now + 1)
        if turns:
            self._prune(turns[-1])

    def _prune(self, sparsity: float) -> None:
        scores = self.criterion(self._graph)
        self._hold(plan(self._graph, scores, sparsity, already=silent(self._graph), **self.settings))

    def _hold(self, new: Plan) -> None:
        self.plan = new
        hold(self.model, new, self._graph)

    def _kept(self, gone: dict[str, np.ndarray]) -> Plan:
        """A plan of exactly the channels that are silent already."""
        flat = {group.name: np.zeros(group.size) for group in self._graph.prunable}
        scores = Scores(flat, "silent already", self._graph.fingerprint)
        kept = plan(self._graph, scores, 0.0, scope="layer", already=gone)
        _, asked = self.schedule(self._step())
        return Plan(**{**vars(kept), "asked": asked})
