"""The most that can go while every task stays within its budget: PAGCP's rule inside, short fine-tunes outside."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.masking import hold
from pruning.scores.criteria import Scores
from pruning.tasks.budgets.budget_trials import Found, Trial, TrialFolder
from pruning.tasks.budgets.loss_surrogate import grow_within
from pruning.tasks.snapshot import Snapshot, silence
from pruning.tasks.task_measures import Measured, TaskMeasures
from schedules.task_budget import Judgement, TaskBudget


class BudgetSearch:
    """Finds the plan that saves most while every task stays within its budget after a short fine-tune.

    ```python
    budget = schedules.TaskBudget(mask=1.0, bbox=1.0, measure={"mask": "mask_ap", "bbox": "bbox_ap"})
    found = pruning.BudgetSearch(graph, pruning.L1()(graph), budget, tasks, finetune, "budget").run()
    print(found)        # every trial, what it saved, and which task bound
    small = pruning.remove(model, found.plan)
    ```

    The rise that PAGCP's rule allows the losses is bisected on a logarithmic scale; each trial prunes the dense model
    so, fine-tunes it with the masks held and judges it. After `run` the model is that of the best plan, fine-tuned, its
    masks held; the dense one where no trial held. All is written to `folder` after each trial; the same search started
    again goes on from there.

    Args:
        graph: of the dense model, which is compiled with `pruning.masked(optimizer)`.
        scores: which channels of a group go first.
        budget: a schedules.TaskBudget; the reference "dense_control" costs one more fine-tune.
        tasks: how tasks are measured on the budget's split: `evaluate`, and losses for the surrogate.
        finetune: model -> anything: the short training; None for a budget of the stage "pruned".
        folder: where the search is written; None: nowhere.
        trials: at most, each with a fine-tune.
        low, high: rises of the losses that the search lies between.
        grow: further arguments of `grow_within`: step, most, measure, input_shapes.
        reference: {task: {measure: value}} of the budget's reference, where it has been measured already.
        say: called with a line after each trial.

    Raises:
        ValueError: arguments that do not fit together; from `run`, a folder of another search or dense model.
    """

    def __init__(
        self,
        graph: ChannelGraph,
        scores: Scores,
        budget: TaskBudget,
        tasks: TaskMeasures,
        finetune: Callable[[Any], Any] | None = None,
        folder: str | Path | None = None,
        *,
        trials: int = 4,
        low: float = 0.05,
        high: float = 100.0,
        grow: Mapping[str, Any] | None = None,
        reference: Measured | None = None,
        say: Callable[[str], Any] = print,
    ) -> None:
        if trials < 1 or not 0 < low < high:
            raise ValueError(f"trials is {trials}, low {low} and high {high}; expected a trial or more, 0 < low < high")
        if (finetune is None) != (budget.stage == "pruned"):
            raise ValueError(
                f"the budget is of the stage {budget.stage!r}, finetune is {finetune!r}: without fine-tuning a budget "
                'is of the stage "pruned", with it of another'
            )
        if finetune is None and budget.reference == "dense_control":
            raise ValueError('without fine-tuning there is no dense control: TaskBudget(..., reference="dense")')
        self.graph, self.scores, self.budget, self.tasks, self.finetune = graph, scores, budget, tasks, finetune
        self.folder = None if folder is None else Path(folder)
        self._count, self._low, self._high, self._say = trials, low, high, say
        self._reference = reference
        self._grow = {"progress": False, "only": budget.tasks, **(grow or {})}

    def run(self) -> Found:
        """Search; see the class."""
        model = self.graph.model
        measured = self.tasks(model)
        kept = TrialFolder(self.folder, self._asked(), measured)
        dense = Snapshot(model)
        if kept.reference is None:
            if self._reference is None and self.budget.reference == "dense_control":
                assert self.finetune is not None, "as the constructor saw to"
                self.finetune(model)
                measured = self.tasks(model)
            kept.set_reference(self._reference or measured)
        assert kept.reference is not None, "set above"
        low, high = math.log(self._low), math.log(self._high)
        for number in range(self._count):
            rise = math.exp((low + high) / 2)
            if number == len(kept.trials):
                silence(self.graph, {})  # no mask is noted any more
                dense.restore()
                self._try(rise, kept, kept.reference)
            low, high = (math.log(rise), high) if kept.trials[number].held else (low, math.log(rise))
        silence(self.graph, {})
        dense.restore()
        trials, best = tuple(kept.trials[: self._count]), kept.best
        if best is None:
            return Found(None, None, trials, self.budget, kept.reference)
        hold(model, kept.plan(best), self.graph)
        kept.restore_best(model)
        return Found(kept.plan(best), kept.trials[best], trials, self.budget, kept.reference)

    def _try(self, rise: float, kept: TrialFolder, reference: Measured) -> None:
        began, model = time.monotonic(), self.graph.model
        surrogate = grow_within(self.graph, self.scores, self.tasks, rise, **self._grow)
        for number, trial in enumerate(kept.trials):
            if kept.plan(number).removed == surrogate.plan.removed:  # the same plan: it is known how it ends
                kept.add(replace(trial, rise=rise, seconds=round(time.monotonic() - began, 2)), surrogate.plan, model)
                self._say(f"trial {len(kept.trials)} of {self._count}: the plan of trial {number + 1} again")
                return
        hold(model, surrogate.plan, self.graph)
        if self.finetune is not None:
            self.finetune(model)
        measured = self.tasks(model)
        judgement = judged(self.budget, self.tasks, reference, measured)
        trial = Trial(
            rise, surrogate.saved, surrogate.rises, surrogate.binding, measured, judgement.drops, judgement.used,
            judgement.binding, judgement.held, round(time.monotonic() - began, 2),
        )  # fmt: skip
        kept.add(trial, surrogate.plan, model)
        self._say(f"trial {len(kept.trials)} of {self._count}: {surrogate.saved:.1%} saved, {judgement}")

    def _asked(self) -> dict[str, Any]:
        """What makes a search the same one."""
        grow = {name: value for name, value in self._grow.items() if name != "progress"}
        return {
            "budget": self.budget.get_config(),
            "model": self.graph.fingerprint,
            "criterion": self.scores.criterion,
            "range": [self._low, self._high],
            "grow": {name: value if isinstance(value, int | float) else str(value) for name, value in grow.items()},
        }


def judged(budget: TaskBudget, tasks: TaskMeasures, reference: Mapping, measured: Mapping) -> Judgement:
    """A budget's judgement, with the primary measures, directions and floors that `tasks` knows."""
    known = [task for task in budget.tasks if task in reference]
    names = {task: budget.measure.get(task) or tasks.primary_of(task, reference) for task in known}
    lower = [f"{task}_{name}" for task, name in names.items() if tasks.falls(task, name)]
    full = replace(budget, measure=names, lower_is_better=(*budget.lower_is_better, *lower))
    return full.judge(reference, measured, tasks.floors)
