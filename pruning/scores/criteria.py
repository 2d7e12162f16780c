"""Scores: one number for every channel of every prunable group; the lowest go first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph


@dataclass(frozen=True)
class Scores:
    """Scores of a graph's prunable groups.

    Attributes:
        values: group name -> float64 (size,); higher is more important. NaN means "does not say".
        criterion: what made them, with its settings.
        fingerprint: of the graph they were made for.
    """

    values: Mapping[str, np.ndarray]
    criterion: str
    fingerprint: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, group: str) -> np.ndarray:
        return self.values[group]

    def __iter__(self):
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Criterion:
    """A score per channel. A new one defines `score(graph, group) -> float array (size,)`."""

    def __call__(self, graph: ChannelGraph) -> Scores:
        """Score every prunable group of a graph, from the weights as they are now."""
        values = {
            group.name: np.asarray(self.score(graph, group), dtype=np.float64) for group in graph.prunable
        }
        return Scores(values, type(self).__name__, graph.fingerprint, dict(vars(self)))

    def score(self, graph: ChannelGraph, group: Any) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must define score(graph, group)")


@dataclass(frozen=True)
class Random(Criterion):
    """Uniform random scores, the control. The same seed gives a group the same scores, whatever the others
    are.

    Args:
        seed: int.
    """

    seed: int = 0

    def score(self, graph: ChannelGraph, group: Any) -> np.ndarray:
        generator = np.random.default_rng([self.seed, *group.name.encode()])
        return generator.random(group.size)
