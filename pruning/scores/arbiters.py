"""Arbiters: how the tasks' scores become one.

An arbiter is called with {task: Scores} and returns Scores. A new one defines `merge`, which sees the living channels
of all groups at once. A task that does not reach a channel scores NaN there and does not vote on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pruning.scores.criteria import Scores, silent_last
from pruning.wrong_objects import is_ours, named


@dataclass(frozen=True)
class Arbiter:
    """One score per channel from one per task. A new one defines `merge`."""

    def __call__(self, by_task: Mapping[str, Scores]) -> Scores:
        """Merge the scores of several tasks for the same graph.

        Returns:
            Scores without NaN, the silent channels lowest; `.settings` says which arbiter and tasks made them.

        Raises:
            TypeError: it is no mapping of tasks to Scores.
            ValueError: no tasks; scores of different graphs; a channel on which no task votes, which would be
                neither safe to remove nor known to matter.
        """
        name = type(self).__name__
        if is_ours(by_task, "Scores") or not isinstance(by_task, Mapping):
            raise TypeError(
                f"{name} joins {{task: Scores}}, and got {named(by_task)}: write pruning.{name}()"
                "(criterion.by_task(graph)), or give it to a criterion, arbiter="
            )
        if not by_task:
            raise ValueError(f"{name} has no task's scores to merge")
        first, *others = by_task.values()
        if any(other.fingerprint != first.fingerprint or list(other) != list(first) for other in others):
            raise ValueError("the tasks' scores were made for different graphs: score them all on one")
        tasks, groups = list(by_task), list(first)
        alive = {
            group: ~first.silent[group] if group in first.silent else np.ones(len(first[group]), dtype=bool)
            for group in groups
        }
        lives = np.concatenate([alive[group] for group in groups])
        table = np.stack(
            [np.concatenate([np.asarray(of[group], np.float64) for group in groups]) for of in by_task.values()]
        )
        merged = np.zeros(len(lives))
        merged[lives] = self.merge(table[:, lives], tasks)
        ends = np.cumsum([len(first[group]) for group in groups])[:-1]
        values = dict(zip(groups, np.split(merged, ends), strict=True))
        mute = [group for group in groups if np.isnan(values[group]).any()]
        if mute:
            raise ValueError(
                f"no task votes on channels of {', '.join(map(repr, mute))}: none of the losses of "
                f"{', '.join(tasks)} that count reaches them. Add a loss that does, or keep them: "
                f"ChannelGraph(model, exclude={mute!r})"
            )
        settings = {key: value for key, value in first.settings.items() if key != "task"}
        settings |= {"tasks": tasks, "arbiter": name}
        settings |= {key: value for key, value in vars(self).items() if value is not None}
        return Scores(silent_last(values, alive), first.criterion, first.fingerprint, settings, first.silent)

    def merge(self, scores: np.ndarray, tasks: list[str]) -> np.ndarray:
        """Merge.

        Args:
            scores: float64 (T, C), of each task for the living channels of all groups; NaN: no vote.
            tasks: their T names.

        Returns:
            float64 (C,); NaN where no task votes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define merge(scores, tasks)")


@dataclass(frozen=True)
class _Weighted(Arbiter):
    """Tasks with weights.

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
        return self.join(scores, np.array([weights.get(task, 0.0) for task in tasks]))

    def join(self, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Scores (T, C) and weights (T,) give (C,); NaN where no task of a weight above 0 votes."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sum(_Weighted):
    """Weighted sum of the scores of the tasks that vote on a channel: what all tasks together would lose.

    s_c = sum over voting tasks t of w_t s_tc. A channel that several tasks want counts more than one that a single
    task wants as much: shared layers keep more than under `Mean`.

    Args:
        weights: see `Mean`.
    """

    def join(self, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        voted = (~np.isnan(scores) & (weights > 0)[:, None]).any(axis=0)
        return np.where(voted, (np.nan_to_num(scores) * weights[:, None]).sum(axis=0), np.nan)


@dataclass(frozen=True)
class Mean(_Weighted):
    """Weighted mean of the scores of the tasks that vote on a channel.

    s_c = sum over voting tasks t of w_t s_tc / sum over the same of w_t. A channel counts no more for being wanted
    by several tasks, and no less for being out of reach of some.

    Args:
        weights: task -> weight of 0 or more; a task that is not named, or weighs 0, has no vote. None: all equal.
    """

    def join(self, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return _mean(scores, weights)


@dataclass(frozen=True)
class WeightedSum(Mean):
    """The name under which `Mean` came first: a weighted MEAN over the tasks that vote on a channel, not their sum.

    The weighted sum is divided by the weights of the voters, so that only where every task votes (or with one task)
    does it order channels as `Sum` does. Committed results say "weighted_sum" for this.

    Args:
        weights: as for `Mean`.
    """


@dataclass(frozen=True)
class Union(Arbiter):
    """Maximum over the tasks of a channel's rank: what any task wants is kept.

    s_c = max over voting tasks t of rank_t(c). Cutting it at any height keeps the union of the tasks' own top
    shares, as DiSparse does for weights (Sun et al., CVPR 2022: prune a shared weight only if every task says so).
    """

    def merge(self, scores: np.ndarray, tasks: list[str]) -> np.ndarray:
        return np.fmax.reduce(ranks(scores), axis=0)


@dataclass(frozen=True)
class MeanRank(Arbiter):
    """Mean of a channel's ranks under the tasks that vote on it.

    s_c = mean over voting tasks t of rank_t(c): the count of Borda (1781), on shares, so that tasks may reach different
    numbers of channels.
    """

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
