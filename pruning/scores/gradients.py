"""Gate gradients: the derivative of each task's loss by a gate on every channel.

A gate multiplies one channel where a layer reads it. A reader is linear in its input and in its kernel, so the
derivative of a loss by the gate, which is the sum of A * dL/dA over all positions, levels and regions where
channel c is read, equals the sum of W * dL/dW over the kernel's slice for c, all calls of a shared layer
together. Gradients by the readers' kernels are therefore all that is needed; the model's graph is not touched.
How a backend computes them: `pruning.scores.backend_gradients`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group, Part
from pruning.progress import with_bar
from pruning.scores.backend_gradients import TaskLosses, compiled, sum_but


class Gates:
    """Gate gradients of a graph's prunable channels, sample by sample, for every task.

    One gate stands for a channel at all its readers: what it gives is the sum over them. A layer that only
    carries channels (depthwise, grouped convolution, batch norm) and a skip have none.

    Args:
        graph: of the model that `task_losses` calls.
        task_losses: batch -> {task: scalar}, or one scalar (the task "loss"); differentiable, and with batch
            norm in inference mode: in training mode the gradient of a sample's gate would pass through the
            batch's statistics. In float16 small gradients fall to zero: use float32 or bfloat16, or multiply the
            losses by a factor (scores of a task are relative: a factor changes none).
    """

    def __init__(self, graph: ChannelGraph, task_losses: TaskLosses) -> None:
        self.graph = graph
        self._groups = [(group.name, group.size, _read_parts(group)) for group in graph.prunable]
        read = {_key(part): part.slice for _, _, parts in self._groups for part in parts}
        self._keys = list(read)
        axes = [piece.axis for piece in read.values()]

        def sums(values: list, slopes: dict[str, list]) -> dict[str, list]:
            """Task -> for every kernel the sum of W * dL/dW over all axes but its own."""
            return {
                task: [
                    None if slope is None else sum_but(value * slope, axis)
                    for value, slope, axis in zip(values, of_task, axes, strict=True)
                ]
                for task, of_task in slopes.items()
            }

        self._run = compiled(task_losses, [piece.variable for piece in read.values()], sums)

    def __call__(self, batches: Iterable, progress: bool = False) -> dict[str, dict[str, np.ndarray]]:
        """Gradients on every sample of some batches, all at once.

        Args, Raises: as for `by_batch`.

        Returns:
            task -> group -> float32 (N, size), N samples in order; NaN in the columns of channels that the
            task does not reach.
        """
        found = list(self.by_batch(batches, progress))
        return {
            task: {
                name: _reached(np.concatenate([groups[task][name] for groups in found])) for name, _, _ in self._groups
            }
            for task in found[0]
        }

    def by_batch(self, batches: Iterable, progress: bool = False) -> Iterator[dict[str, dict[str, np.ndarray]]]:
        """Gradients on every sample, one batch after another: no more than a batch's are held.

        Args:
            batches: nests of arrays with a common first axis; they are split along it.
            progress: show a bar if it lasts more than a few seconds.

        Yields:
            for a batch of n samples: task -> group -> float32 (n, size), NaN in the columns of channels that the task
            does not reach.

        Raises:
            ValueError: no batches; a loss or a gradient that is not finite; other tasks than before.
        """
        tasks: list[str] = []
        rows: dict[str, list[dict[str, np.ndarray]]] = {}
        pieces = ((sample, last) for batch in batches for sample, last in _pieces(batch))
        for number, (sample, last) in enumerate(with_bar(pieces, "gradients, sample by sample", show=progress)):
            losses, sums = self._run(sample)
            tasks = tasks or list(losses)
            if set(tasks) != set(losses):
                raise ValueError(f"sample {number}: task_losses gives {', '.join(losses)}, before {', '.join(tasks)}")
            for task, loss in losses.items():
                _finite(float(loss), f"the loss of task {task!r} on sample {number}")
                rows.setdefault(task, []).append(self._by_group(sums[task], f"task {task!r} on sample {number}"))
            if last:
                yield {
                    task: {name: _reached(np.stack([row[name] for row in rows[task]])) for name, _, _ in self._groups}
                    for task in tasks
                }
                rows = {}
        if not tasks:
            raise ValueError("there are no batches to score with (a generator is used up after one pass: give a list)")

    def _by_group(self, sums: list, where: str) -> dict[str, np.ndarray]:
        """Group -> float32 (size,): a sample's sums over kernel slices, added up over the readers."""
        along = {}
        for key, values in zip(self._keys, sums, strict=True):
            if values is not None:
                along[key] = np.asarray(values)
                _finite(along[key], f"a gradient of {where}")
        found = {}
        for name, size, parts in self._groups:
            total, reached = np.zeros(size), np.zeros(size, dtype=bool)
            for part in parts:
                if _key(part) in along:
                    total += np.bincount(part.units, along[_key(part)][part.positions], minlength=size)
                    reached[part.units] = True
            found[name] = np.where(reached, total, np.nan).astype(np.float32)
        return found


def samples(batches: Iterable) -> Iterator[Any]:
    """Every batch cut into batches of one sample, first axis kept."""
    return (sample for batch in batches for sample, _ in _pieces(batch))


def _pieces(batch: Any) -> Iterator[tuple[Any, bool]]:
    """The samples of a batch as batches of one, and whether it is the last."""
    count = batch_size(batch)
    for at in range(count):
        yield (
            keras.tree.map_structure(lambda leaf, at=at: None if leaf is None else leaf[at : at + 1], batch),
            at + 1 == count,
        )


def batch_size(batch: Any) -> int:
    """Length of the first axis that all arrays of a batch share.

    Raises:
        ValueError: they do not.
    """
    shapes = [tuple(leaf.shape) for leaf in keras.tree.flatten(batch) if leaf is not None]
    if not shapes or any(shape[:1] != shapes[0][:1] or not shape for shape in shapes):
        found = ", ".join(map(str, shapes)) or "no arrays"
        raise ValueError(f"a batch is cut into samples along its arrays' first axis, which must agree: found {found}")
    return int(shapes[0][0])


def _key(part: Part) -> tuple[int, int]:
    return id(part.slice.variable), part.slice.axis


def _read_parts(group: Group) -> list[Part]:
    return [part for member in group.readers for part in member.parts if part.slice.kernel]


def _finite(value: Any, what: str) -> None:
    if not np.isfinite(value).all():
        raise ValueError(f"{what} is not finite: {value if np.ndim(value) == 0 else 'it holds NaN or infinity'}")


def _reached(rows: np.ndarray) -> np.ndarray:
    """(N, size); a channel that some samples reach has 0 on the others."""
    mute = np.isnan(rows)
    rows[mute & ~mute.all(axis=0)] = 0
    return rows
