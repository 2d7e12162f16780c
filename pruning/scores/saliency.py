"""Saliency from gradients of gates: Taylor (Molchanov et al., CVPR 2019), Fisher (Liu et al., ICML 2021).

What a gate is, and where it sits: `pruning.scores.gradients`.
"""

from dataclasses import dataclass, field

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.scores.gradients import Gates
from pruning.scores.task_criterion import ByTask, TaskCriterion


@dataclass(frozen=True)
class GateCriterion(TaskCriterion):
    """Scores from the gradients of a group's gates. A new one defines `reduce(gates)`."""

    _latest: list[Gates] = field(default_factory=list, init=False, repr=False, compare=False)

    def measure(self, graph: ChannelGraph) -> tuple[ByTask, int]:
        """Reduce the samples' gate gradients; compiled once for a graph."""
        if not self._latest or self._latest[0].graph is not graph:
            self._latest[:] = [Gates(graph, self.task_losses)]
        gradients = self._latest[0](self.batches, self.progress)
        found = {
            task: {name: np.asarray(self.reduce(gates.astype(np.float64))) for name, gates in groups.items()}
            for task, groups in gradients.items()
        }
        return found, next(len(gates) for groups in gradients.values() for gates in groups.values())

    def reduce(self, gates: np.ndarray) -> np.ndarray:
        """Score the channels of one group under one task.

        Args:
            gates: float64 (N, size), gradient of every channel's gate on each of N samples.

        Returns:
            (size,), higher is more important.
        """
        raise NotImplementedError(f"{type(self).__name__} must define reduce(gates)")


@dataclass(frozen=True)
class Taylor(GateCriterion):
    """First-order change of a task's loss when a channel goes: the mean over samples of |g|.

    The absolute value is taken of each sample's gradient. That of their sum is zero for a trained model at rest,
    and taken on a filter in front of a training-mode batch norm it is exactly zero, whatever the filter.

    Args:
        task_losses, batches, arbiter, per, input_shapes, progress: as for `TaskCriterion`.
    """

    def reduce(self, gates: np.ndarray) -> np.ndarray:
        return np.abs(gates).mean(axis=0)


@dataclass(frozen=True)
class Fisher(GateCriterion):
    """Second-order change by the empirical Fisher information: the sum over samples of g^2, per MACs saved.

    The factor 1/(2N) of the expansion is the same for all channels and left out. The price matters: at half the
    FLOPs the paper's Faster R-CNN has 37.8 AP with it (per byte of activations, or per FLOP), 33.5 without. Here
    "bytes" are those of weights.

    Args:
        task_losses, batches, arbiter, per, input_shapes, progress: as for `TaskCriterion`.
    """

    per: str | None = "macs"

    def reduce(self, gates: np.ndarray) -> np.ndarray:
        return np.square(gates).sum(axis=0)
