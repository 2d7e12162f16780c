"""Do the tasks want the same channels? Agreement of their scores, group by group."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from pruning.graph.channel_graph import ChannelGraph
from pruning.scores.criteria import Scores
from pruning.tasks.tidy_tables import write_table

COLUMNS = ("group", "part", "channels", "task", "other", "iou", "chance", "rank_correlation")


@dataclass(frozen=True)
class TaskAgreement:
    """Agreement of every two tasks on every group that both reach.

    Attributes:
        ratio: share of its channels that each task would give up.
        rows: of `COLUMNS`: `iou` of the channels that the two would keep, `chance`, the IoU of random choices of the
            same sizes, and Spearman's `rank_correlation` of their scores; NaN where neither keeps any, or scores tie.
    """

    ratio: float
    rows: tuple[dict, ...]

    def save(self, path: str | Path) -> None:
        """Write the rows as CSV."""
        write_table(path, COLUMNS, self.rows)

    def by_group(self) -> dict[str, float]:
        """Group -> mean IoU over the pairs of tasks, in the model's order: DiSparse's watershed."""
        found: dict[str, list[float]] = {}
        for row in self.rows:
            found.setdefault(row["group"], []).append(row["iou"])
        return {group: float(np.nanmean(values)) for group, values in found.items() if not np.isnan(values).all()}

    def __str__(self) -> str:
        width = max([len(row["group"]) for row in self.rows], default=5)
        lines = [f"{'group':<{width}}  {'tasks':<24}  {'IoU kept':>8}  {'chance':>6}  {'rank correlation':>16}"]
        lines += [
            f"{row['group']:<{width}}  {row['task'] + ', ' + row['other']:<24}  {row['iou']:>8.2f}  "
            f"{row['chance']:>6.2f}  {row['rank_correlation']:>16.2f}"
            for row in self.rows
        ]
        return "\n".join(lines)


def task_agreement(graph: ChannelGraph, by_task: Mapping[str, Scores], ratio: float = 0.5) -> TaskAgreement:
    """How far tasks agree on which channels to keep (for weights: Sun et al., CVPR 2022).

    Each task alone keeps the best (1 - ratio) of all channels of the model that it reaches, so that a group of which it
    keeps few is one that it does not need.

    Args:
        graph: that the scores were made for.
        by_task: task -> Scores, as `criterion.by_task(graph)` gives them; NaN: out of the task's reach.
        ratio: share of its channels that each task would give up, in (0, 1).

    Raises:
        ValueError: a ratio that is none, fewer than two tasks, or scores of another graph.
    """
    if not 0.0 < ratio < 1.0:
        raise ValueError(f"ratio is {ratio!r}; expected the share that each task would give up, in (0, 1)")
    if len(by_task) < 2:
        raise ValueError(f"agreement needs two tasks or more; got {', '.join(by_task) or 'none'}")
    if any(scores.fingerprint != graph.fingerprint for scores in by_task.values()):
        raise ValueError("the scores were made for another model's graph: criterion.by_task(graph)")
    kept = {task: _kept(scores, ratio) for task, scores in by_task.items()}
    rows = []
    for group in graph.prunable:
        for task, other in itertools.combinations(by_task, 2):
            values = [np.asarray(by_task[name][group.name], dtype=float) for name in (task, other)]
            if any(np.isnan(value).all() for value in values):
                continue
            mine, theirs = kept[task][group.name], kept[other][group.name]
            union = np.count_nonzero(mine | theirs)
            shares = mine.mean(), theirs.mean()
            either = shares[0] + shares[1] - shares[0] * shares[1]
            rows.append(
                {
                    "group": group.name,
                    "part": group.part,
                    "channels": group.size,
                    "task": task,
                    "other": other,
                    "iou": float(np.count_nonzero(mine & theirs) / union) if union else np.nan,
                    "chance": float(shares[0] * shares[1] / either) if either else np.nan,
                    "rank_correlation": _rank_correlation(*values),
                }
            )
    return TaskAgreement(ratio, tuple(rows))


def _kept(scores: Scores, ratio: float) -> dict[str, np.ndarray]:
    """Group -> bool (size,): the best of all channels that the task reaches; ties by position."""
    every = np.concatenate([np.asarray(scores[name], dtype=float) for name in scores])
    reached = np.flatnonzero(~np.isnan(every))
    order = reached[np.argsort(-every[reached], kind="stable")]
    keep = np.zeros(len(every), dtype=bool)
    keep[order[: len(reached) - round(ratio * len(reached))]] = True
    ends = np.cumsum([len(scores[name]) for name in scores])[:-1]
    return dict(zip(scores, np.split(keep, ends), strict=True))


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    both = ~np.isnan(one) & ~np.isnan(other)
    if both.sum() < 2 or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
        return float("nan")
    return float(spearmanr(one[both], other[both]).statistic)
