"""Saliency from gradients of gates: Taylor (Molchanov et al., CVPR 2019), Fisher (Liu et al., ICML 2021).

What a gate is, and where it sits: `pruning.scores.gradients`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.scores.gradients import Gates
from pruning.scores.task_criterion import ByTask, TaskCriterion


@dataclass(frozen=True)
class GateCriterion(TaskCriterion):
    """Scores from the gradients of a group's gates. A new one defines `reduce(gates)`.

    Attributes:
        joins: "mean" or "sum": what `reduce` gives for all samples is that of what it gives for each batch (a mean
            weighted by their samples), so that the gates of one batch are held at a time. None: `reduce` needs all
            samples at once.
    """

    joins: ClassVar[Literal["mean", "sum"] | None] = None
    _latest: list[Gates] = field(default_factory=list, init=False, repr=False, compare=False)

    def measure(self, graph: ChannelGraph) -> tuple[ByTask, int]:
        """Reduce the samples' gate gradients; compiled once for a graph."""
        if not self._latest or self._latest[0].graph is not graph:
            self._latest[:] = [Gates(graph, self.task_losses)]
        gates = self._latest[0]
        if self.joins is None:
            parts: Iterable = [gates(self.batches, self.progress)]
        else:
            parts = gates.by_batch(self.batches, self.progress)
        totals: ByTask = {}
        count = 0
        for part in parts:
            samples = next(len(rows) for groups in part.values() for rows in groups.values())
            weight = samples if self.joins == "mean" else 1
            count += samples
            for task, groups in part.items():
                total = totals.setdefault(task, {})
                for name, rows in groups.items():
                    found = weight * np.asarray(self.reduce(rows.astype(np.float64)), np.float64)
                    total[name] = _added(total[name], found) if name in total else found
        if self.joins == "mean":
            totals = {task: {name: total / count for name, total in groups.items()} for task, groups in totals.items()}
        return totals, count

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

    s_j = 1/N sum over samples n of |g_nj|, g_nj = sum over positions and readers of A_j * dL_n/dA_j: the expansion of
    Molchanov et al., "Pruning Convolutional Neural Networks for Resource Efficient Inference", ICLR 2017 (|A dL/dA|
    averaged over examples), on the gates of Molchanov et al., "Importance Estimation for Neural Network Pruning",
    CVPR 2019, which squares instead of taking absolute values.

    The absolute value is taken of each sample's gradient. That of their sum is zero for a trained model at rest,
    and taken on a filter in front of a training-mode batch norm it is exactly zero, whatever the filter.

    Args:
        task_losses, batches, arbiter, per, input_shapes, progress: as for `TaskCriterion`.
    """

    joins: ClassVar[Literal["mean", "sum"] | None] = "mean"

    def reduce(self, gates: np.ndarray) -> np.ndarray:
        return np.abs(gates).mean(axis=0)


@dataclass(frozen=True)
class Fisher(GateCriterion):
    """Second-order change by the empirical Fisher information: the sum over samples of g^2, per MACs saved.

    s_j = sum over samples n of g_nj^2 / MACs saved, g_nj as for `Taylor`, summed over all readers before it is squared:
    Liu et al., "Group Fisher Pruning for Practical Network Compression", ICML 2021, equations 2 to 4.

    The factor 1/(2N) of the expansion is the same for all channels and left out. The price matters: at half the
    FLOPs the paper's Faster R-CNN has 37.8 AP with it (per byte of activations, or per FLOP), 33.5 without. Here
    "bytes" are those of weights.

    Args:
        task_losses, batches, arbiter, per, input_shapes, progress: as for `TaskCriterion`.
    """

    per: str | None = "macs"
    joins: ClassVar[Literal["mean", "sum"] | None] = "sum"

    def reduce(self, gates: np.ndarray) -> np.ndarray:
        return np.square(gates).sum(axis=0)


def _added(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The sum; NaN only where both are."""
    return np.where(np.isnan(one), other, one + np.nan_to_num(other))
