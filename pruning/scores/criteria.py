"""Scores: one number for every channel of every prunable group; the lowest go first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.living_channels import living
from pruning.wrong_objects import needs_graph, no_model_inside


@dataclass(frozen=True)
class Scores:
    """Scores of a graph's prunable groups.

    Attributes:
        values: group name -> float64 (size,); higher is more important. NaN means "does not say".
        criterion: what made them, with its settings.
        fingerprint: of the graph they were made for.
        silent: group name -> bool (size,), the channels that were silent when they were made: nothing is relative
            to them, and they score lowest. A group that is not named had none.
    """

    values: Mapping[str, np.ndarray]
    criterion: str
    fingerprint: str
    settings: dict[str, Any] = field(default_factory=dict)
    silent: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __getitem__(self, group: str) -> np.ndarray:
        return self.values[group]

    def __iter__(self):
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def relative(self) -> "Scores":
        """Each group's scores over the mean of its living channels', so that wide groups compete as narrow ones do.

        Where channels of several layers are ranked together, raw scores rank the layers too: by the size of their
        kernels (L1), or by how many channels share a loss (Taylor).

        Returns:
            new Scores; a group whose mean is not above zero scores zero.
        """
        alive = {name: ~self.silent.get(name, np.zeros(len(of), bool)) for name, of in self.values.items()}
        values = {name: relative(of, alive[name] & ~np.isnan(of)) for name, of in self.values.items()}
        settings = {**self.settings, "relative": True}
        return Scores(silent_last(values, alive), self.criterion, self.fingerprint, settings, self.silent)


@dataclass(frozen=True)
class Criterion:
    """A score per channel. A new one defines `score(graph, group) -> float array (size,)`."""

    def __post_init__(self) -> None:
        no_model_inside(self)

    def __call__(self, graph: ChannelGraph) -> Scores:
        """Score every prunable group of a graph, from the weights as they are now.

        Raises:
            TypeError: it is no ChannelGraph.
            ValueError: a group's scores are not as many as its channels.
        """
        needs_graph(graph, f"{type(self).__name__}()")
        alive = living(graph)
        values = {name: np.asarray(of_group, np.float64) for name, of_group in self.values(graph, alive).items()}
        for group in graph.prunable:
            if values[group.name].shape != (group.size,):
                raise ValueError(
                    f"{type(self).__name__}.score gave shape {values[group.name].shape} for group {group.name!r}; "
                    f"expected one score for each of its {group.size} channels"
                )
        settings = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        return Scores(
            silent_last(values, alive),
            type(self).__name__,
            graph.fingerprint,
            settings,
            {name: ~lives for name, lives in alive.items()},
        )

    def values(self, graph: ChannelGraph, alive: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Scores of all prunable groups; for criteria that need something once for all of them.

        Args:
            graph: the model's groups.
            alive: group -> bool (size,), the channels that live: see `living`.

        Returns:
            group -> (size,).
        """
        return {group.name: self.score(graph, group) for group in graph.prunable}

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


def silent_last(values: Mapping[str, np.ndarray], alive: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores in which no channel scores lower than the silent ones: zero, or the least there is if that is less."""
    finite = [of_group[np.isfinite(of_group)] for of_group in values.values()]
    least = min([0.0, *(found.min() for found in finite if found.size)])
    return {name: np.where(alive[name], of_group, least) for name, of_group in values.items()}


def relative(scores: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """A group's scores divided by the mean of its living channels' (C,); all zero where that is zero."""
    mean = scores[alive].mean() if alive.any() else 0.0
    return scores / mean if mean > 0 else np.zeros_like(scores)
