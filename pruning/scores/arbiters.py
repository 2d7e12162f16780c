"""Arbiters: how the tasks' scores become one.

An arbiter is called with {task: Scores} and returns Scores. A new one defines `merge`, which sees all channels
of all groups at once. A task that does not reach a channel scores NaN there and does not vote on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pruning.scores.criteria import Scores


@dataclass(frozen=True)
class Arbiter:
    """One score per channel from one per task. A new one defines `merge`."""

    def __call__(self, by_task: Mapping[str, Scores]) -> Scores:
        """Merge the scores of several tasks for the same graph.

        Returns:
            Scores without NaN; `.settings` says which arbiter and tasks made them.

        Raises:
            ValueError: no tasks; scores of different graphs; a channel on which no task votes, which would be
                neither safe to remove nor known to matter.
        """
        if not by_task:
            raise ValueError(f"{type(self).__name__} has no task's scores to merge")
        first, *others = by_task.values()
        if any(other.fingerprint != first.fingerprint or list(other) != list(first) for other in others):
            raise ValueError("the tasks' scores were made for different graphs: score them all on one")
        tasks, groups = list(by_task), list(first)
        table = [[np.asarray(scores[name], np.float64) for name in groups] for scores in by_task.values()]
        merged = self.merge(np.stack([np.concatenate(row) for row in table]), tasks)
        ends = np.cumsum([len(first[name]) for name in groups])[:-1]
        values = dict(zip(groups, np.split(merged, ends), strict=True))
        mute = [name for name in groups if np.isnan(values[name]).any()]
        if mute:
            raise ValueError(
                f"no task votes on channels of {', '.join(map(repr, mute))}: none of the losses of "
                f"{', '.join(tasks)} that count reaches them. Add a loss that does, or keep them: "
                f"ChannelGraph(model, exclude={mute!r})"
            )
        settings = {key: value for key, value in first.settings.items() if key != "task"}
        settings |= {"tasks": tasks, "arbiter": type(self).__name__}
        settings |= {key: value for key, value in vars(self).items() if value is not None}
        return Scores(values, first.criterion, first.fingerprint, settings)

    def merge(self, scores: np.ndarray, tasks: list[str]) -> np.ndarray:
        """Merge.

        Args:
            scores: float64 (T, C), of each task for all channels of all groups; NaN: no vote.
            tasks: their T names.

        Returns:
            float64 (C,); NaN where no task votes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define merge(scores, tasks)")


@dataclass(frozen=True)
class WeightedSum(Arbiter):
    """Weighted mean of the scores of the tasks that vote on a channel.

    Args:
        weights: task -> weight of 0 or more; a task that is not named, or weighs 0, has no vote. None: all equal.

    Raises:
        ValueError: a negative weight; when called, a task that is not scored.
    """

    weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.weights is not None:
            object.__setattr__(self, "weights", {task: float(weight) for task, weight in self.weights.items()})
            if not all(weight >= 0 for weight in self.weights.values()):
                raise ValueError(f"weights are {self.weights}; expected 0 or more")

    def merge(self, scores: np.ndarray, tasks: list[str]) -> np.ndarray:
        weights = {task: 1.0 for task in tasks} if self.weights is None else self.weights
        unknown = [task for task in weights if task not in tasks]
        if unknown:
            raise ValueError(f"weights name {', '.join(unknown)}; the tasks are {', '.join(tasks)}")
        return _mean(scores, np.array([weights.get(task, 0.0) for task in tasks]))


@dataclass(frozen=True)
class Union(Arbiter):
    """Maximum over the tasks of a channel's rank: what any task wants is kept.

    Cutting it at any height keeps the union of the tasks' own top shares, as DiSparse does for weights (Sun et
    al., CVPR 2022).
    """

    def merge(self, scores: np.ndarray, tasks: list[str]) -> np.ndarray:
        return np.fmax.reduce(ranks(scores), axis=0)


@dataclass(frozen=True)
class MeanRank(Arbiter):
    """Mean of a channel's ranks under the tasks that vote on it."""

    def merge(self, scores: np.ndarray, tasks: list[str]) -> np.ndarray:
        return _mean(ranks(scores), np.ones(len(tasks)))


def ranks(scores: np.ndarray) -> np.ndarray:
    """Global ranks: the share of the other channels on which a task votes that it scores lower.

    Args:
        scores: float (T, C); NaN: no vote.

    Returns:
        float64 (T, C) in [0, 1], equal for equal scores; NaN stays.
    """
    found = np.full(scores.shape, np.nan)
    for row, rank in zip(scores, found, strict=True):
        votes = ~np.isnan(row)
        rank[votes] = np.searchsorted(np.sort(row[votes]), row[votes]) / max(votes.sum() - 1, 1)
    return found


def _mean(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean over the tasks that vote, (T, C) and (T,) give (C,); NaN where none does."""
    shares = np.where(np.isnan(scores), 0.0, weights[:, None])
    with np.errstate(invalid="ignore"):
        return (np.nan_to_num(scores) * shares).sum(axis=0) / shares.sum(axis=0)
