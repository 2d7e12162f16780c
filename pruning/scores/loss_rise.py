"""Loss rise: a channel's score is by how much each task's loss rises without it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group
from pruning.masks.living_channels import living
from pruning.progress import with_bar
from pruning.scores.backend_gradients import compiled
from pruning.scores.gradients import batch_size
from pruning.scores.task_criterion import ByTask, TaskCriterion


@dataclass(frozen=True)
class LossRise(TaskCriterion):
    """Silence a channel, measure each task's mean loss, put it back: what Taylor and Fisher estimate.

    s_j = L(without channel j) - L: the oracle of Molchanov et al., ICLR 2017, section 2, with its sign.

    Channels whose going makes a loss fall score below zero. A task whose loss stays exactly the same for all
    channels of a group, while another's moves, does not reach that group; a group that moves none is dead and
    scores 0. One pass over the batches for every living channel, on a function that is compiled once for a network.

    Args:
        task_losses, batches, arbiter, per, input_shapes, progress: as for `TaskCriterion`; the batches are held in
            memory, and a loss counts by its batch's samples.
        chunk: so many neighbouring living channels of a group are silenced together and share the rise evenly.
    """

    chunk: int = 1
    _latest: list[tuple[Any, Callable]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chunk < 1:
            raise ValueError(f"chunk is {self.chunk!r}; expected 1 or more channels")

    def measure(self, graph: ChannelGraph) -> tuple[ByTask, int]:
        """The rise of each task's mean loss over the batches, channel by channel."""
        batches = list(self.batches)
        if not batches:
            raise ValueError("there are no batches to score with (a generator is used up after one pass: give a list)")
        counts = np.array([batch_size(batch) for batch in batches])
        if not self._latest or self._latest[0][0] is not graph.network:
            self._latest[:] = [(graph.network, compiled(self.task_losses))]
        run = self._latest[0][1]

        def mean_losses() -> dict[str, float]:
            found = [run(batch)[0] for batch in batches]
            means = {
                task: float(np.average([float(losses[task]) for losses in found], weights=counts)) for task in found[0]
            }
            wrong = [f"task {task!r} is {loss}" for task, loss in means.items() if not np.isfinite(loss)]
            if wrong:
                raise ValueError(f"a loss is not finite: {', '.join(wrong)}")
            return means

        before = mean_losses()
        rises: ByTask = {task: {group.name: np.zeros(group.size) for group in graph.prunable} for task in before}
        lives = {name: np.flatnonzero(alive) for name, alive in living(graph).items()}
        steps = [
            (group, lives[group.name][start : start + self.chunk])
            for group in graph.prunable
            for start in range(0, len(lives[group.name]), self.chunk)
        ]
        for group, channels in with_bar(steps, "loss without each channel", len(steps), self.progress):
            with silenced(group, channels):
                after = mean_losses()
            for task, loss in after.items():
                rises[task][group.name][channels] = (loss - before[task]) / len(channels)
        for group in graph.prunable:
            moved = [task for task in rises if rises[task][group.name].any()]
            for task in rises:
                if moved and task not in moved:
                    rises[task][group.name][:] = np.nan
        return rises, int(counts.sum())


@contextmanager
def silenced(group: Group, channels: Sequence[int] | np.ndarray) -> Iterator[None]:
    """Within it, a group's channels are masked in place; then every weight is as it was, bit for bit."""
    gone = np.zeros(group.size, dtype=bool)
    gone[list(channels)] = True
    parts = [part for member in group.members for part in member.parts if part.slice.zero]
    held = {id(part.slice.variable): (part.slice.variable, _copy(part.slice.variable)) for part in parts}
    masked = {key: value.copy() for key, (_, value) in held.items()}
    for part in parts:
        np.moveaxis(masked[id(part.slice.variable)], part.slice.axis, 0)[part.at(gone)] = 0
    try:
        for key, (variable, _) in held.items():
            variable.assign(masked[key])
        yield
    finally:
        for variable, value in held.values():
            variable.assign(value)


def _copy(variable: keras.Variable) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))
