"""PAGCP's rule: group after group, as much goes as the worst-off task's loss bears. No training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pruning.costs.model_cost import counted, without
from pruning.graph.channel_graph import ChannelGraph
from pruning.plans.pruning_plan import Plan
from pruning.progress import with_bar
from pruning.scores.criteria import Scores
from pruning.tasks.snapshot import Snapshot, lowest, plan_of, silence
from pruning.tasks.task_measures import TaskMeasures


@dataclass(frozen=True)
class Surrogate:
    """A plan, and how it grew.

    Attributes:
        plan: what goes.
        saved: share of the model's MACs (or parameters).
        rises: task -> relative rise of its loss against the dense model, before any fine-tuning.
        steps: one a group, in the order in which they were visited: group, ratio, `binding` (the task that stopped it;
            "" where none did), `limit` (of every task's loss, relative to dense, up to there), `rise` (what the worst
            task's loss rose there) and `saved` (of MACs) by this group.
    """

    plan: Plan
    saved: float
    rises: Mapping[str, float]
    steps: tuple[dict, ...]

    @property
    def binding(self) -> dict[str, int]:
        """Task -> how many groups it stopped."""
        found: dict[str, int] = {}
        for step in self.steps:
            if step["binding"]:
                found[step["binding"]] = found.get(step["binding"], 0) + 1
        return found

    def __str__(self) -> str:
        width = max([len(step["group"]) for step in self.steps], default=5)
        lines = [f"{'group':<{width}}  ratio  stopped by"]
        lines += [f"{one['group']:<{width}}  {one['ratio']:>5.0%}  {one['binding'] or 'none'}" for one in self.steps]
        rises = ", ".join(f"{task} {rise:+.1%}" for task, rise in self.rises.items())
        return "\n".join([*lines, f"{self.saved:.1%} saved; losses before fine-tuning: {rises}"])


def grow_within(
    graph: ChannelGraph,
    scores: Scores,
    tasks: TaskMeasures,
    rise: float,
    *,
    only: tuple[str, ...] | None = None,
    step: float = 0.1,
    most: float = 0.9,
    saving: float | None = None,
    measure: str = "macs",
    input_shapes: Any = None,
    progress: bool = True,
) -> Surrogate:
    """Prune a trained model until some task's loss has risen by `rise`, group by group (PAGCP: Ye et al., TPAMI 2023).

    Groups are visited by what they save, the largest first. In each the ratio grows by `step` until
    max_t L_t / L_t(dense) exceeds prod_{j <= l} (1 + tau_j), and steps back once; the tolerances fall geometrically,
    tau_l = tau_0 lambda^l, with prod_l (1 + tau_l) = 1 + rise and tau_0 twice the even share. References are the dense
    model's losses throughout. A group that never binds gives up its largest ratio. The model is left as it was.

    Args:
        graph: of the dense model.
        scores: which channels of a group go first; the paper's are L1 norms of filters.
        tasks: with `task_losses` and batches.
        rise: largest relative rise of any task's loss in all: 0.5 lets each grow by half.
        only: the tasks that count; all if None.
        step, most: of a group's ratio.
        saving: give back the groups that cost most loss for what they save, as long as so large a share is still saved.
        measure, input_shapes: what is saved, "macs" or "params", as for `pruning.cost`.
        progress: show a bar if it lasts more than a few seconds.

    Raises:
        ValueError: no task losses, a rise or step out of range, a task that is not measured, or a dense loss that is 0.
    """
    if not rise > 0 or not 0 < step <= most < 1:
        raise ValueError(f"rise is {rise!r}, step {step!r}, most {most!r}; expected a rise above 0, step <= most < 1")
    if scores.fingerprint != graph.fingerprint:
        raise ValueError("the scores were made for another model's graph: score this one, criterion(graph)")
    dense = tasks.losses()
    counting = list(dense) if only is None else list(only)
    unknown = [task for task in counting if not dense.get(task, 0.0) > 0]
    if unknown or not dense:
        named = f"the loss of {unknown[0]!r} is {dense.get(unknown[0])!r}" if unknown else "there are no task losses"
        raise ValueError(f"a budget of losses needs the dense model's, above 0: {named}; it has {', '.join(dense)}")
    sized = counted(graph.model, input_shapes or graph.example_shapes)
    whole = getattr(without(sized, {}), measure)

    def saved(gone: Mapping[str, np.ndarray]) -> float:
        return 1 - getattr(without(sized, gone), measure) / whole

    ratios = [round(step * n, 9) for n in range(1, int(most / step + 1e-9) + 1)]
    groups = [group for group in graph.prunable if group.size > 1]
    largest = {g.name: {g.name: lowest(scores[g.name], round(most * g.size))} for g in groups}
    groups.sort(key=lambda group: -saved(largest[group.name]))
    limits = np.cumprod(1 + tolerances(rise, len(groups)))
    gone: dict[str, np.ndarray] = {}
    now = dict.fromkeys(counting, 1.0)
    steps = []
    snapshot = Snapshot(graph.model)
    try:
        for group, limit in with_bar(zip(groups, limits, strict=True), "budget of losses", len(groups), progress):
            kept: tuple[float, np.ndarray | None, dict[str, float]] = (0.0, None, now)
            binding, before = "", now
            for ratio in ratios:
                cut = lowest(scores[group.name], round(ratio * group.size))
                snapshot.restore()
                silence(graph, {**gone, group.name: cut})
                losses = tasks.losses()
                relative = {task: losses[task] / dense[task] for task in counting}
                worst = max(relative, key=lambda task: _number(relative[task]))
                if _number(relative[worst]) > limit:
                    binding = worst
                    break
                kept = ratio, cut, relative
            if kept[1] is not None:
                gone[group.name], now = kept[1], kept[2]
            grown = max(now[task] - before[task] for task in counting)
            own = saved(gone) - saved({name: cut for name, cut in gone.items() if name != group.name})
            took = {"group": group.name, "ratio": kept[0], "binding": binding, "limit": float(limit)}
            steps.append({**took, "rise": grown, "saved": own})
        if saving is not None:
            gone = _given_back(gone, steps, saving, saved)
        snapshot.restore()
        silence(graph, gone)
        losses = tasks.losses()
    finally:
        silence(graph, {})
        snapshot.restore()
    plan = plan_of(graph, gone, criterion=scores.criterion)
    rises = {task: losses[task] / dense[task] - 1 for task in dense}
    return Surrogate(plan, saved(gone), rises, tuple(steps))


def tolerances(rise: float, count: int) -> np.ndarray:
    """tau_l, float64 (count,): a falling geometric series with prod (1 + tau_l) = 1 + rise."""
    first = min(2 * ((1 + rise) ** (1 / count) - 1), rise)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        small = np.prod(1 + first * middle ** np.arange(count)) < 1 + rise
        low, high = (middle, high) if small else (low, middle)
    return first * high ** np.arange(count)


def _number(value: float) -> float:
    return value if np.isfinite(value) else np.inf


def _given_back(gone: dict, steps: list[dict], saving: float, saved: Any) -> dict:
    """What is left when the groups of the highest loss per MACs saved stay whole, while enough is saved."""
    dear = sorted(steps, key=lambda step: -step["rise"] / max(step["saved"], 1e-12))
    for step in dear:
        less = {name: cut for name, cut in gone.items() if name != step["group"]}
        if step["group"] in gone and saved(less) >= saving:
            gone = less
            step |= {"ratio": 0.0, "binding": "", "saved": 0.0}
    return gone
