"""What each task alone would allow to be removed: the budget, asked the other way round."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pruning.graph.channel_graph import ChannelGraph
from pruning.scores.criteria import Scores
from pruning.tasks.budgets.budget_search import BudgetSearch
from pruning.tasks.budgets.budget_trials import Found
from pruning.tasks.snapshot import Snapshot, silence
from pruning.tasks.task_measures import TaskMeasures
from schedules.task_budget import TaskBudget


def task_allowances(
    graph: ChannelGraph,
    scores: Scores,
    budget: TaskBudget,
    tasks: TaskMeasures,
    finetune: Callable[[Any], Any] | None = None,
    folder: str | Path | None = None,
    **search: Any,
) -> dict[str, Found]:
    """Search under each task's budget alone, the others being free: which task is the dear one.

    Args:
        graph, scores, tasks, finetune: as for `BudgetSearch`.
        budget: of several tasks, such as one point each; the model is left as it was.
        folder: with a folder for each task; None: nothing is written.
        search: further arguments of `BudgetSearch`.

    Returns:
        task -> what was found; `.trial.saved` is the share of MACs that it would allow to go.
    """
    dense = Snapshot(graph.model)
    found: dict[str, Found] = {}
    for task, drop in budget.allowed.items():
        measure = {task: budget.measure[task]} if task in budget.measure else {}
        alone = replace(budget, allowed={task: drop}, measure=measure)
        path = None if folder is None else Path(folder) / task
        known = next((one.reference for one in found.values()), None)  # one dense control serves them all
        found[task] = BudgetSearch(graph, scores, alone, tasks, finetune, path, reference=known, **search).run()
        silence(graph, {})
        dense.restore()
    return found
