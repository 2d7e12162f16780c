"""From sensitivities to a ratio for every group: as much as the worst-off task bears."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pruning.costs.model_cost import counted, without
from pruning.graph.channel_graph import ChannelGraph
from pruning.scores.criteria import Scores
from pruning.tasks.reports.sensitivity import Sensitivity
from pruning.tasks.snapshot import lowest
from pruning.tasks.tidy_tables import read_table, write_table

_DEAD = 1e9  # the loss of a task whose measure is no number any more
COLUMNS = ("target", "ratio", "binding", "drop")


@dataclass(frozen=True)
class Ratios(Mapping):
    """Target (group or part) -> share of its channels that goes: `pruning.plan(graph, scores, sparsity=ratios)`.

    Attributes:
        rows: of `COLUMNS`: the ratio, the task that stops it there ("" where none does: it is the largest that was
            asked), and the largest loss of a task with only this target pruned.
        tolerance: largest such loss, as a share of quality.
    """

    rows: tuple[dict, ...]
    tolerance: float = float("nan")

    def __getitem__(self, target: str) -> float:
        return {row["target"]: row["ratio"] for row in self.rows}[target]

    def __iter__(self) -> Iterator[str]:
        return (row["target"] for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def save(self, path: str | Path) -> None:
        """Write a table to read and edit: a line a target; the column `ratio` is what counts."""
        write_table(path, COLUMNS, self.rows)

    @classmethod
    def load(cls, path: str | Path) -> "Ratios":
        """Read what `save` wrote and somebody may have edited.

        Raises:
            ValueError: another file, a target that stands there twice, or a ratio that is no share in [0, 1).
        """
        rows = read_table(path, COLUMNS, "table of ratios", ("ratio", "drop"))
        names = [row["target"] for row in rows]
        for row in rows:
            if names.count(row["target"]) > 1:
                raise ValueError(f"{path}: target {row['target']!r} stands there twice")
            if not 0.0 <= row.get("ratio", -1.0) < 1.0:
                raise ValueError(f"{path}: ratio of {row['target']!r} is {row.get('ratio')}; expected one in [0, 1)")
        return cls(tuple(rows))

    def __str__(self) -> str:
        width = max([len(name) for name in self], default=6)
        lines = [f"{'target':<{width}}  ratio  binding"]
        lines += [f"{row['target']:<{width}}  {row['ratio']:>5.0%}  {row.get('binding', '')}" for row in self.rows]
        return "\n".join(lines)


def solve_ratios(
    sensitivity: Sensitivity,
    *,
    tolerance: float | None = None,
    saving: float | None = None,
    graph: ChannelGraph | None = None,
    scores: Scores | None = None,
    input_shapes: Any = None,
    stage: str | None = None,
    by: Literal["measure", "loss"] = "measure",
    steps: int = 100,
) -> Ratios:
    """The largest ratio of every target at which no task loses more than it may, the target being pruned alone.

    Between the ratios that were asked, losses are interpolated; a task that gains at a larger ratio is taken to stay at
    its worst before. No ratio exceeds the largest that was asked.

    Args:
        sensitivity: of `task_sensitivity`.
        tolerance: largest loss of any task, as a share of its quality: 0.02.
        saving: instead, the share of MACs (or parameters, as the table counts) to save in all; the tolerance is found
            by bisection. Needs `graph` and `scores`, since savings do not add up.
        graph, scores, input_shapes: as for `task_sensitivity`.
        stage: "pruned" or "finetuned"; the later one that the table has if None.
        by: the tasks' primary measures, or their losses.
        steps: ratios are whole multiples of 1 / steps.

    Raises:
        ValueError: neither or both of tolerance and saving; a stage that the table lacks; a saving out of reach, with
            how far it can go.
    """
    if (tolerance is None) == (saving is None):
        raise ValueError("give tolerance= (what any task may lose) or saving= (what is to be saved), one of them")
    if stage is None:
        stage = "finetuned" if any(row["stage"] == "finetuned" for row in sensitivity.rows) else "pruned"
    drops = sensitivity.drops(stage, by)
    if not drops:
        raise ValueError(f"the table has no {by} of the stage {stage!r}")
    curves = {target: _curve(ratios, steps) for target, ratios in drops.items()}
    if tolerance is not None:
        if not tolerance >= 0:
            raise ValueError(f"tolerance is {tolerance!r}; expected a share of quality, 0 or more")
        return _at(curves, tolerance)
    assert saving is not None, "one of the two, as seen above"
    if graph is None or scores is None:
        raise ValueError("saving= needs graph= and scores=: what several targets save does not add up")
    sized = counted(graph.model, input_shapes or graph.example_shapes)
    whole = getattr(without(sized, {}), sensitivity.measure)

    def saved(ratios: Ratios) -> float:
        gone = _gone(graph, scores, ratios)
        return 1 - getattr(without(sized, gone), sensitivity.measure) / whole

    levels = np.unique([drop for _, worst, _ in curves.values() for drop in worst if drop < _DEAD])
    levels = np.concatenate([[0.0], levels[levels > 0]])
    most = saved(_at(curves, levels[-1]))
    if not 0.0 < saving <= most:
        raise ValueError(
            f"saving is {saving:.1%} of the {sensitivity.measure}; at most {most:.1%} is, at the ratios asked"
        )
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if saved(_at(curves, levels[middle])) >= saving else (middle + 1, high)
    return _at(curves, float(levels[low]))


def _curve(ratios: Mapping[float, Mapping[str, float]], steps: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Ratios on a grid, the worst task's loss at each, never falling, and which task that is."""
    asked = sorted(ratios)
    tasks = list(dict.fromkeys(task for found in ratios.values() for task in found))
    grid = np.arange(0, int(asked[-1] * steps + 1e-9) + 1) / steps
    table = []
    for task in tasks:
        losses = [0.0, *(ratios[ratio].get(task, np.nan) for ratio in asked)]
        losses = [_DEAD if np.isnan(loss) else min(loss, _DEAD) for loss in losses]
        table.append(np.interp(grid, [0.0, *asked], np.maximum.accumulate(losses)))
    found = np.stack(table)
    return grid, found.max(axis=0), [tasks[number] for number in found.argmax(axis=0)]


def _at(curves: Mapping, tolerance: float) -> Ratios:
    rows = []
    for target, (grid, worst, binding) in curves.items():
        place = int(np.flatnonzero(worst <= tolerance + 1e-12)[-1])
        stopped = binding[place + 1] if place + 1 < len(grid) else ""
        rows.append({"target": target, "ratio": float(grid[place]), "binding": stopped, "drop": float(worst[place])})
    return Ratios(tuple(rows), float(tolerance))


def _gone(graph: ChannelGraph, scores: Scores, ratios: Mapping[str, float]) -> dict[str, np.ndarray]:
    found = {}
    for group in graph.prunable:
        ratio = ratios.get(group.name, ratios.get(group.part, 0.0))
        found[group.name] = lowest(scores[group.name], round(ratio * group.size))
    return found
