"""Do the tasks pull the same way? Cosines of their gradients, and an arbiter that gives up what they fight over."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group
from pruning.scores.arbiters import Arbiter, Mean
from pruning.scores.backend_gradients import compiled, sum_but
from pruning.scores.criteria import Scores
from pruning.tasks.tidy_tables import write_table

Pair = tuple[str, str]
COLUMNS = ("group", "part", "channels", "task", "other", "cosine", "conflicting_channels")


@dataclass(frozen=True)
class TaskConflicts:
    """How the tasks' gradients lie to one another.

    Attributes:
        cosines: group -> (task, other) -> cosine of the two gradients by the kernels that make the group, mean over the
            batches; pairs of which one does not reach the group are missing.
        channels: group -> float64 (size,), in [0, 1]: a channel's conflict, the mean over pairs of max(0, -cosine) of
            the gradients by the filters that make it.
        rows: of `COLUMNS`; `conflicting_channels` is the share of channels whose cosine is below 0.
    """

    cosines: Mapping[str, Mapping[Pair, float]]
    channels: Mapping[str, np.ndarray]
    rows: tuple[dict, ...]

    def save(self, path: str | Path) -> None:
        """Write the rows as CSV."""
        write_table(path, COLUMNS, self.rows)

    def __str__(self) -> str:
        width = max([len(row["group"]) for row in self.rows], default=5)
        lines = [f"{'group':<{width}}  {'tasks':<24}  {'cosine':>7}  {'channels in conflict':>20}"]
        lines += [
            f"{row['group']:<{width}}  {row['task'] + ', ' + row['other']:<24}  {row['cosine']:>7.2f}  "
            f"{row['conflicting_channels']:>20.0%}"
            for row in self.rows
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class ConflictPenalty(Arbiter):
    """Scores of another arbiter, less for channels over which the tasks fight.

    s'_c = s_c (1 - strength * conflict_c), conflict as in `TaskConflicts.channels`. After the idea of safe pruning
    (Wang et al., 2025, arXiv 2511.05557: keep what any task needs, remove redundant and conflicting channels); the
    formula is ours.

    Args:
        conflicts: of the same graph.
        arbiter: {task: Scores} -> Scores; the mean over voters if not given.
        strength: in [0, 1]; 0 is the other arbiter alone.

    Raises:
        ValueError: a strength that is none; when called, conflicts of another graph.
    """

    conflicts: TaskConflicts = field(repr=False)
    arbiter: Callable[[Mapping[str, Scores]], Scores] = Mean()
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:
            raise ValueError(f"strength is {self.strength!r}; expected a number in [0, 1]")

    def __call__(self, by_task: Mapping[str, Scores]) -> Scores:
        """Merge the tasks' scores; raises what the other arbiter raises."""
        merged = self.arbiter(by_task)
        values = {}
        for name in merged:
            given = np.asarray(merged[name], dtype=np.float64)
            conflict = self.conflicts.channels.get(name)
            if conflict is None or len(conflict) != len(given):
                raise ValueError(f"the conflicts have no {len(given)} values for {name!r}: ask them on this graph")
            values[name] = np.where(given > 0, given * (1.0 - self.strength * conflict), given)
        inner = type(self.arbiter).__name__
        settings = {**merged.settings, "arbiter": "ConflictPenalty", "of": inner, "strength": self.strength}
        return replace(merged, values=values, settings=settings)


def task_conflicts(graph: ChannelGraph, task_losses: Callable[[Any], Any], batches: Iterable) -> TaskConflicts:
    """Cosines of the tasks' gradients, by group and by channel (Yu et al., NeurIPS 2020: below 0 is a conflict).

    Args:
        graph: of the model that `task_losses` calls.
        task_losses: batch -> {task: scalar}, as for `pruning.Taylor`; two tasks or more.
        batches: that it takes.

    Raises:
        ValueError: no batches, or a single task.
    """
    groups = [(group, _makers(group)) for group in graph.prunable]
    kernels = {(id(part.slice.variable), part.slice.axis): part.slice for _, parts in groups for part in parts}
    run = _products(task_losses, [(piece.variable, piece.axis) for piece in kernels.values()])
    sums: dict[str, dict[Pair, list[np.ndarray]]] = {group.name: {} for group, _ in groups}
    tasks: list[str] = []
    for batch in batches:
        found = {pair: dict(zip(kernels, values, strict=True)) for pair, values in run(batch).items()}
        tasks = list(dict.fromkeys(task for pair in found for task in pair))
        for group, parts in groups:
            dots = {pair: _along(group, parts, values) for pair, values in found.items()}
            for one, other in itertools.combinations(tasks, 2):
                own = [dots[one, one], dots[one, other], dots[other, other]]
                if all(value is not None for value in own):
                    sums[group.name].setdefault((one, other), []).append(_cosines(*own))  # type: ignore[arg-type]
    if len(tasks) < 2:
        raise ValueError(
            f"task_losses gives the tasks {', '.join(tasks)}: two are needed for a conflict"
            if tasks
            else "there are no batches to ask (a generator is used up after one pass: give a list)"
        )
    means = {name: {pair: np.mean(rows, axis=0) for pair, rows in pairs.items()} for name, pairs in sums.items()}
    channels = {group.name: _conflict(list(means[group.name].values()), group.size) for group, _ in groups}
    rows = tuple(
        {
            "group": group.name, "part": group.part, "channels": group.size, "task": one, "other": other,
            "cosine": float(row[0]), "conflicting_channels": float(np.mean(row[1:] < 0)),
        }
        for group, _ in groups
        for (one, other), row in means[group.name].items()
    )  # fmt: skip
    cosines = {name: {pair: float(row[0]) for pair, row in pairs.items()} for name, pairs in means.items()}
    return TaskConflicts(cosines, channels, rows)


def _makers(group: Group) -> list:
    return [part for member in group.producers for part in member.parts if part.slice.kernel]


def _along(group: Group, parts: list, values: Mapping) -> np.ndarray | None:
    """float64 (size,): products of two gradients, summed over the filters that make each channel; None: no gradient."""
    total, reached = np.zeros(group.size), False
    for part in parts:
        found = values[id(part.slice.variable), part.slice.axis]
        if found is not None:
            total += np.bincount(part.units, np.asarray(found)[part.positions], minlength=group.size)
            reached = True
    return total if reached else None


def _cosines(one: np.ndarray, both: np.ndarray, other: np.ndarray) -> np.ndarray:
    """float64 (1 + size,): the cosine over all channels, and that of each; 0 where a gradient is."""
    top = np.concatenate([[both.sum()], both])
    lengths = np.sqrt(np.concatenate([[one.sum()], one]) * np.concatenate([[other.sum()], other]))
    return np.where(lengths > 0, top / np.where(lengths > 0, lengths, 1.0), 0.0)


def _conflict(rows: list[np.ndarray], size: int) -> np.ndarray:
    """float64 (size,): of the cosines of every pair, (1 + size,) each."""
    return np.mean([np.maximum(0.0, -row[1:]) for row in rows], axis=0) if rows else np.zeros(size)


def _products(task_losses: Callable, kernels: list[tuple[Any, int]]) -> Callable[[Any], dict[Pair, list]]:
    """batch -> (task, task) -> for every kernel the product of the two gradients, summed over all axes but its own."""

    def products(values: list, slopes: dict[str, list]) -> list[list]:
        return [
            [
                None if a is None or b is None else sum_but(a * b, axis)
                for a, b, (_, axis) in zip(slopes[one], slopes[other], kernels, strict=True)
            ]
            for one, other in itertools.combinations_with_replacement(slopes, 2)
        ]

    run = compiled(task_losses, [variable for variable, _ in kernels], products)

    def by_pair(batch: Any) -> dict[Pair, list]:
        losses, found = run(batch)
        return dict(zip(itertools.combinations_with_replacement(losses, 2), found, strict=True))

    return by_pair
