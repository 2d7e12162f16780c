"""A guard inside `model.fit`: pruning stops, pauses or steps back when a task crosses its line."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.masking import hold
from pruning.tasks.budgets.budget_search import judged
from pruning.tasks.snapshot import Snapshot, plan_of
from pruning.tasks.task_measures import TaskMeasures
from schedules.task_budget import TaskBudget

Action = Literal["stop", "pause", "step_back"]
_WORDS = {
    "stop": "stops",
    "pause": "pauses",
    "resume": "goes on",
    "step_back": "steps back to the last judgement that held, and stops",
}


class GuardedSchedule:
    """A schedule whose clock can be stopped. Called as the schedule itself: step -> (should_prune, sparsity).

    Pauses and stops take hold from the step after the last one that it was asked about.

    Args:
        schedule: a pruning schedule that only rises.
    """

    rises = True

    def __init__(self, schedule: Callable[[int], tuple[bool, float]]) -> None:
        self.schedule = schedule
        self.stopped_at: int | None = None
        self._rests: list[tuple[int, int | None]] = []  # (first step, step after the last one) of pauses
        self._next = 0

    @property
    def begin_step(self) -> int:
        return self.schedule.begin_step  # type: ignore[attr-defined]

    @property
    def end_step(self) -> int:
        """The last step that may prune: later by the pauses, or where it was stopped."""
        if self.stopped_at is not None:
            return self.stopped_at
        end = self.schedule.end_step  # type: ignore[attr-defined]
        for begin, until in self._rests if end != -1 else ():
            if begin <= end:
                end += (until or begin) - begin
        return end

    @property
    def paused(self) -> bool:
        """Whether the clock stands still."""
        return bool(self._rests) and self._rests[-1][1] is None

    def __call__(self, step: int) -> tuple[bool, float]:
        """Whether to prune at a step of the training, and to which sparsity."""
        step = int(step)
        self._next = max(self._next, step + 1)
        resting = any(begin <= step and (until is None or step < until) for begin, until in self._rests)
        over = self.stopped_at is not None and step >= self.stopped_at
        due, sparsity = self.schedule(step - self._lost(step))
        return due and not resting and not over, sparsity

    def pause(self) -> None:
        """No cut from now on, until `resume`."""
        if not self.paused:
            self._rests.append((self._next, None))

    def resume(self) -> None:
        """Go on where the schedule was when it was paused."""
        if self.paused:
            self._rests[-1] = (self._rests[-1][0], self._next)

    def stop(self) -> None:
        """No cut from now on."""
        self.stopped_at = self._next

    def _lost(self, step: int) -> int:
        """Steps before this one in which the clock stood still."""
        before = [(begin, step if until is None else min(step, until)) for begin, until in self._rests if begin < step]
        return sum(until - begin for begin, until in before)


class BudgetGuard(keras.callbacks.Callback):
    """Judges the model at the end of epochs while it is pruned, and acts when a task has crossed its line.

    ```python
    pruner = pruning.PruningCallback(criterion, schedule)
    guard = pruning.BudgetGuard(schedules.TaskBudget(mask=2.0), tasks, pruner, "pause")
    model.fit(data, callbacks=[pruner, guard])
    ```

    Args:
        budget: a schedules.TaskBudget; drops are counted from `reference`.
        tasks: how they are measured.
        pruner: the PruningCallback beside it; the guard takes over its schedule.
        action: "stop": no more cuts; "pause": none until every task is within its line again, then the schedule goes on
            where it was; "step_back": weights, masks and optimizer of the last judgement that held come back, and no
            more cuts.
        reference: {task: {measure: value}}, such as a dense control's; the model as it is when training begins if None.
        every: epochs from one judgement to the next.
        patience: judgements in a row that cross the line before it acts, since tasks recover after a cut.
        say: called with a line at each action.

    Attributes:
        schedule: the pruner's, a GuardedSchedule now.
        log: a dict a judgement: step, action ("" where none was taken), binding, drops, used.

    Raises:
        ValueError: another action, or `every` or `patience` below 1.
    """

    def __init__(
        self,
        budget: TaskBudget,
        tasks: TaskMeasures,
        pruner: Any,
        action: Action = "pause",
        *,
        reference: Mapping[str, Mapping[str, float]] | None = None,
        every: int = 1,
        patience: int = 1,
        say: Callable[[str], Any] = print,
    ) -> None:
        super().__init__()
        if action not in ("stop", "pause", "step_back"):
            raise ValueError(f"action is {action!r}; expected 'stop', 'pause' or 'step_back'")
        if every < 1 or patience < 1:
            raise ValueError(f"every is {every} and patience {patience}; expected 1 or more")
        self.budget, self.tasks, self.pruner, self.action = budget, tasks, pruner, action
        self.schedule = pruner.schedule = GuardedSchedule(pruner.schedule)
        self.log: list[dict] = []
        self._reference_given, self._every, self._patience, self._say = reference, every, patience, say

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Measure the reference, if it is not given."""
        self._reference = self._reference_given or self.tasks(self.model)
        self._crossed = 0
        self._keep()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Judge, and act."""
        if (epoch + 1) % self._every or self.schedule.stopped_at is not None:
            return
        judgement = judged(self.budget, self.tasks, self._reference, self.tasks(self.model))
        self._crossed = 0 if judgement.held else self._crossed + 1
        taken = self._act(judgement.held)
        step, used = int(self.model.optimizer.iterations), dict(judgement.used)
        row = {"step": step, "action": taken, "binding": judgement.binding, "drops": dict(judgement.drops)}
        self.log.append({**row, "used": used})
        if taken:
            self._say(f"update {step}: pruning {_WORDS[taken]}: {judgement}")

    def _act(self, held: bool) -> str:
        if held:
            self._keep()
            if not self.schedule.paused:
                return ""
            self.schedule.resume()
            return "resume"
        if self._crossed < self._patience or self.schedule.paused:
            return ""
        if self.action == "pause":
            self.schedule.pause()
            return "pause"
        self.schedule.stop()
        if self.action == "step_back":
            snapshot, plan = self._good
            iterations = self.model.optimizer.iterations
            now, graph = int(iterations), ChannelGraph(self.model)
            hold(self.model, plan_of(graph, {}) if plan is None else plan, graph)
            snapshot.restore()
            iterations.assign(now)  # learning rates and schedules go by it
            self.pruner.plan = plan
        return self.action

    def _keep(self) -> None:
        """Note the state to step back to."""
        if self.action == "step_back":
            self._good = (Snapshot(self.model), self.pruner.plan)
