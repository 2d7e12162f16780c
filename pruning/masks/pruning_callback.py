"""Pruning inside `model.fit`: scores, plans, masks and holds at a schedule's steps."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.mask_state import silent
from pruning.masks.masking import hold, holders
from pruning.plans.allocation import plan
from pruning.plans.pruning_plan import Plan
from pruning.scores.criteria import Scores
from pruning.wrong_objects import needs_criterion, needs_schedule


class PruningCallback(keras.callbacks.Callback):
    """Prunes a model while it trains, and holds what it pruned.

    Steps are `optimizer.iterations`: a turn of the schedule at step n comes before update n, and one at its
    end step also when training ends there. No turn is lost: of those that a step of several updates, the end of
    training or training without this callback passed over, the latest is taken as soon as it can be. Channels only
    ever go: those that are masked stay so, also in a model that was loaded with its optimizer.

    Args:
        criterion: `criterion(graph) -> Scores`, such as `pruning.L1()`.
        schedule: `schedule(step) -> (should_prune, sparsity)`, such as `schedules.PolynomialDecay(...)`.
        scope, measure, round_to, min_channels, keep_at_least, max_sparsity, input_shapes: as for `pruning.plan`.
        include, exclude: as for `pruning.ChannelGraph`.
        graph: a graph of the model to use instead of a new one; then `include` and `exclude` are its own.
        count_from: what the schedule's step 0 is: "optimizer", its first update; "fit", the first update of the
            `fit` that runs, for a model that has trained before.

    Attributes:
        plan: the latest Plan, or None.

    Adds `sparsity` (achieved) and `sparsity_asked` to the logs of every epoch. Warns when turns before this training
    are made up for at once, and when training ends before the schedule's end step.

    Raises:
        ValueError: the schedule's sparsity falls; at the start of training: the optimizer cannot hold masks.
        TypeError: the criterion or the schedule cannot be called.
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
        count_from: Literal["optimizer", "fit"] = "optimizer",
    ) -> None:
        super().__init__()
        if count_from not in ("optimizer", "fit"):
            raise ValueError(f"count_from is {count_from!r}; expected 'optimizer' or 'fit'")
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
        self.count_from = count_from
        self._given = graph
        self._graph: ChannelGraph  # from the beginning of training on
        self._zero = 0  # the optimizer's step that is the schedule's step 0
        self._next = 0  # the first step of the schedule whose turn was not asked for yet

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Read the graph, hold what is masked already, and make up for turns before this training."""
        holders(self.model)
        self._graph = self._given or ChannelGraph(self.model, include=self.include, exclude=self.exclude)
        self._zero = self._updates() if self.count_from == "fit" else 0
        now = self._next = self._step()
        gone, earlier = silent(self._graph), self.plan
        last = next((sparsity for due, sparsity in map(self.schedule, reversed(range(now))) if due), 0.0)
        pruned = any(channels.any() for channels in gone.values())
        if pruned:
            self._hold(self._kept(gone))
        asked = None if earlier is None or isinstance(earlier.asked, Mapping) else earlier.asked
        taken = pruned and (asked is not None and asked >= last or self._taken(last, gone))
        if last > 0 and not taken:
            self._make_up(last, now, gone)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Take the schedule's turn, if one is due."""
        self._take_turns(self._step() + 1)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Take the latest turn that a step of several updates passed over."""
        if getattr(self.model, "steps_per_execution", 1) != 1:
            self._take_turns(self._step())

    def on_train_end(self, logs: dict | None = None) -> None:
        """Take the turn of an end step that is reached exactly when training ends; say so if it ends before."""
        now, end = self._step(), getattr(self.schedule, "end_step", None)
        self._take_turns(now + 1 if end == now else now)
        if end is not None and now < end:
            asked = self.plan.asked if self.plan else 0.0
            warnings.warn(
                f"training ended at step {now} of the pruning schedule, before its end step {end}: {asked:.1%} of the "
                f"{self._told(end)[1]:.1%} was asked for so far; train on with this callback, or end the schedule "
                "earlier",
                stacklevel=2,
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Log the sparsity asked and achieved."""
        if logs is not None:
            logs["sparsity"] = self.plan.achieved if self.plan else 0.0
            logs["sparsity_asked"] = self.plan.asked if self.plan else 0.0

    def _updates(self) -> int:
        return int(self.model.optimizer.iterations)

    def _step(self) -> int:
        return self._updates() - self._zero

    def _told(self, step: int) -> tuple[bool, float]:
        """What the schedule says of a step, as plain numbers: those of tensorflow-model-optimization give tensors."""
        due, sparsity = self.schedule(step)
        return bool(due), float(sparsity)

    def _take_turns(self, until: int) -> None:
        """Take the latest turn of the schedule's steps before `until` that have not been asked for yet."""
        turns = [sparsity for due, sparsity in map(self._told, range(self._next, until)) if due]
        self._next = max(self._next, until)
        if turns:
            self._prune(turns[-1])

    def _taken(self, sparsity: float, gone: Mapping[str, np.ndarray]) -> bool:
        """Whether a turn to this sparsity was taken already: it would cut none of the channels that are left.

        Not told by the fraction that is gone, which rounding may keep below what was asked for. Where channels of
        several groups compete, new scores alone may shift the nearest cut by one.
        """
        would = plan(self._graph, self._flat(), sparsity, already=gone, **self.settings)
        return _count(would) - _sum(gone) <= (0 if self.settings["scope"] == "layer" else 1)

    def _make_up(self, sparsity: float, now: int, gone: Mapping[str, np.ndarray]) -> None:
        """Take turns of before this training, and say so if channels go."""
        self._prune(sparsity)
        assert self.plan is not None
        count = _count(self.plan) - _sum(gone)
        if count:
            warnings.warn(
                f"the optimizer has made {now} updates before this training, and the pruning schedule's turns up to "
                f"there are made up for at once: {count} channels go before the first step ({self.plan.achieved:.1%} "
                f"of {self.plan.measure} are gone then). To prune from here on, step by step, give count_from='fit'",
                stacklevel=3,
            )

    def _prune(self, sparsity: float) -> None:
        scores = self.criterion(self._graph)
        self._hold(plan(self._graph, scores, sparsity, already=silent(self._graph), **self.settings))

    def _hold(self, new: Plan) -> None:
        self.plan = new
        hold(self.model, new, self._graph)

    def _kept(self, gone: dict[str, np.ndarray]) -> Plan:
        """A plan of exactly the channels that are masked already."""
        measured = {name: self.settings[name] for name in ("measure", "input_shapes")}
        kept = plan(self._graph, self._flat(), 0.0, scope="layer", already=gone, **measured)
        _, asked = self._told(self._step())
        return Plan(**{**vars(kept), "asked": asked})

    def _flat(self) -> Scores:
        values = {group.name: np.zeros(group.size) for group in self._graph.prunable}
        return Scores(values, "masked already", self._graph.fingerprint)


def _count(made: Plan) -> int:
    return sum(map(len, made.removed.values()))


def _sum(gone: Mapping[str, np.ndarray]) -> int:
    return sum(int(channels.sum()) for channels in gone.values())
