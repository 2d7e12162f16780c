"""Criteria from data: a score per channel and task, joined by an arbiter."""

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pruning.costs.savings import savings
from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.living_channels import living
from pruning.scores.arbiters import Arbiter, WeightedSum
from pruning.scores.criteria import Criterion, Scores
from pruning.wrong_objects import named, needs_graph

ByTask = dict[str, dict[str, np.ndarray]]
_FLUSHED = 0.1  # share of the living channels at exactly zero in float16 from which on it is said; some are just dead


@dataclass(frozen=True)
class TaskCriterion(Criterion):
    """Scores from the losses of several tasks on some data. A new one defines `measure`.

    Args:
        task_losses: batch -> {task: scalar}, or one scalar (the task "loss"); it calls the model that is scored,
            in inference mode (no dropout, batch norm with its moving statistics).
        batches: nests of arrays that `task_losses` takes, one after another; a list or a tf.data.Dataset, since
            every call passes over them again.
        arbiter: {task: Scores} -> Scores.
        per: divide by what removing a channel alone saves of this: "macs", "params", "bytes"; None: do not.
        input_shapes: what MACs are counted for, as for `pruning.cost`.
        progress: show a bar if it lasts more than a few seconds.
    """

    task_losses: Callable[[Any], Any]
    batches: Iterable = field(repr=False, compare=False)
    arbiter: Arbiter | Callable[[Mapping[str, Scores]], Scores] = WeightedSum()
    per: str | None = None
    input_shapes: Any = None
    progress: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if inspect.isclass(self.arbiter) or not callable(self.arbiter):
            how = f"pruning.{self.arbiter.__name__}()" if inspect.isclass(self.arbiter) else "pruning.Mean()"
            raise TypeError(f"arbiter is {named(self.arbiter)}: write an object, arbiter={how}")
        if isinstance(self.batches, Mapping):
            raise TypeError("batches is one mapping; expected several batches, one after another: write [batch]")

    def __call__(self, graph: ChannelGraph) -> Scores:
        """Score every prunable group of a graph of the model as it is now; raises what the arbiter raises."""
        return self.arbiter(self.by_task(graph))

    def by_task(self, graph: ChannelGraph) -> dict[str, Scores]:
        """The scores of each task alone, NaN on channels that it does not reach.

        A task's scores sum to 1 over the living channels that it reaches (their sizes do, where some are negative).

        Returns:
            task -> Scores.

        Raises:
            TypeError: it is no ChannelGraph.
            ValueError: as `measure`; or no task reaches any channel.

        Warns:
            UserWarning: the model computes in float16, and many scores are exactly zero.
        """
        needs_graph(graph, f"{type(self).__name__}(...)")
        prices = savings(graph, self.per, self.input_shapes) if self.per else None
        alive = living(graph)
        measured, samples = self.measure(graph)
        if all(np.isnan(values).all() for groups in measured.values() for values in groups.values()):
            raise ValueError(
                f"no loss of task_losses ({', '.join(measured)}) depends on a weight that reads a prunable channel "
                f"of {graph.network.name!r}: task_losses must call the very model whose graph is scored"
            )
        _notice_flushed(graph, measured, alive)
        settings = {"per": self.per, "samples": samples}
        if self.per and self.input_shapes:
            settings["per_input_shapes"] = _plain(self.input_shapes)
        found = {}
        for task, values in measured.items():
            if prices:
                values = {name: scores / prices[name] for name, scores in values.items()}
            total = sum(np.nansum(np.abs(scores[alive[name]])) for name, scores in values.items())
            values = {name: scores / (total or 1.0) for name, scores in values.items()}
            gone = {name: ~lives for name, lives in alive.items()}
            found[task] = Scores(values, type(self).__name__, graph.fingerprint, {"task": task, **settings}, gone)
        return found

    def measure(self, graph: ChannelGraph) -> tuple[ByTask, int]:
        """What is measured, before prices and norms.

        Returns:
            task -> group -> float64 (size,), NaN where the task does not reach; and the number of samples.
        """
        raise NotImplementedError(f"{type(self).__name__} must define measure(graph)")


def _notice_flushed(graph: ChannelGraph, measured: ByTask, alive: Mapping[str, np.ndarray]) -> None:
    """Warn where half precision has made zeros of what is small."""
    if not any(getattr(call.layer, "compute_dtype", None) == "float16" for call in graph.calls):
        return
    reached, zero = 0, 0
    for name, lives in alive.items():
        of_tasks = np.stack([groups[name] for groups in measured.values()])[:, lives]
        voted = ~np.isnan(of_tasks).all(axis=0)
        reached += int(voted.sum())
        zero += int((voted & (np.nan_to_num(of_tasks) == 0).all(axis=0)).sum())
    if zero > _FLUSHED * reached:
        warnings.warn(
            f"{graph.network.name!r} computes in float16, and {zero} of {reached} channels score exactly zero: small "
            "gradients become zero there (or so many are never active). Use loss scaling (task_losses that return each "
            "loss times a factor such as 1024; no score changes by it), or score the model in float32 or bfloat16",
            stacklevel=4,
        )


def _plain(shapes: Any) -> Any:
    """Shapes as JSON gives them back."""
    return {name: list(shape) for name, shape in shapes.items()} if isinstance(shapes, Mapping) else list(shapes)
