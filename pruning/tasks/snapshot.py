"""The state of a model and its optimizer, held in memory while something is tried on them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.masking import apply_masks
from pruning.plans.pruning_plan import Plan


class Snapshot:
    """Values of all variables of a model, of its optimizer too if it is compiled: masks, moments, iterations.

    Args:
        model: whose values are copied.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in _variables(model)]

    def restore(self) -> None:
        """Write the values back; a compiled step is not traced again."""
        for variable, value in zip(_variables(self.model), self._values, strict=True):
            variable.assign(value)

    def save(self, path: str | Path) -> None:
        """Write the values as an .npz file."""
        with open(path, "wb") as file:
            np.savez(file, *self._values)

    def load(self, path: str | Path) -> None:
        """Take the values that `save` wrote for the same model.

        Raises:
            ValueError: the file is of another model.
        """
        with np.load(path) as stored:
            values = [stored[f"arr_{number}"] for number in range(len(stored.files))]
        if [value.shape for value in values] != [value.shape for value in self._values]:
            raise ValueError(f"{path} holds the state of another model than {self.model.name!r}: delete it")
        self._values = values


def _variables(model: Any) -> list:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)
    return [*model.variables, *(optimizer.variables if optimizer is not None else ())]


def silence(graph: ChannelGraph, gone: dict[str, np.ndarray]) -> None:
    """Mask channels of a graph's model in place, for a look at it; a Snapshot puts the weights back.

    Args:
        graph: of the model.
        gone: group -> bool (size,), what is silenced; groups that are not named stay.
    """
    apply_masks(graph.model, plan_of(graph, gone), graph)


def plan_of(graph: ChannelGraph, gone: dict[str, np.ndarray], asked: float = 0.0, criterion: str = "") -> Plan:
    """A Plan of exactly these channels; its figures are fractions of the prunable filters.

    Args:
        graph: of the model.
        gone: group -> bool (size,), what goes.
        asked: the fraction that was asked for.
        criterion: what chose them.
    """
    filters = {group.name: group.filters for group in graph.prunable}
    total = sum(int(count.sum()) for count in filters.values())
    return Plan(
        model=graph.network.name,
        fingerprint=graph.fingerprint,
        sizes={group.name: group.size for group in graph.prunable},
        removed={
            group.name: tuple(np.flatnonzero(gone[group.name]).tolist()) if group.name in gone else ()
            for group in graph.prunable
        },
        asked=float(asked),
        achieved=sum(int(filters[name][channels].sum()) for name, channels in gone.items()) / total,
        criterion=criterion,
    )


def lowest(values: np.ndarray, count: int) -> np.ndarray:
    """bool (size,): the channels of the lowest scores, ties by position; one always stays."""
    chosen = np.zeros(len(values), dtype=bool)
    chosen[np.argsort(values, kind="stable")[: min(count, len(values) - 1)]] = True
    return chosen
