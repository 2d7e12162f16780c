"""The models that a grid compares: the problem of each, its MACs, and the first, which others are timed against."""

from __future__ import annotations

from typing import Any

import keras

from experiments.problem import Problem
from experiments.runs.grid import RunSettings
from experiments.runs.measuring import Measuring
from experiments.settings.quantities import macs_text
from pruning.costs.model_cost import counted, without


class LeftOut(Exception):
    """A run of the grid that there is nothing to do for; the message says why."""


class ComparedModels:
    """Every model of a recipe's grid; the recipe's own, under None, where the grid names none.

    Args:
        problem: with its recipe.

    Attributes:
        problems: name -> the problem with that model.
    """

    def __init__(self, problem: Problem) -> None:
        recipes = problem.recipe.models
        self.problems = {name: problem.with_recipe(one) if name else problem for name, one in recipes.items()}
        self._targets = problem.recipe.grid.macs
        self._macs: dict[str, float] = {}

    def macs(self, target: float | str) -> float:
        """What a target of the grid means: a number of MACs as it is, or those of the model that it names."""
        if not isinstance(target, str):
            return target
        if target not in self._macs:
            problem = self.problems[target]
            model = problem.model(problem.recipe.seeds[0])
            self._macs[target] = float(without(counted(model, problem.input_shapes(model)), {}).macs)
        return self._macs[target]

    def ratio(self, run: RunSettings, macs: float) -> float | None:
        """The fraction that a run removes: as it says, or what brings a network of `macs` down to what it says.

        Raises:
            LeftOut: the network has no more than that.
        """
        if run.macs is None:
            return run.ratio
        target = self.macs(run.macs)
        if macs <= target:
            raise LeftOut(f"its {macs_text(macs)} are no more than the {macs_text(target)} that are to be left")
        return 1 - target / macs

    def settled(self, run: RunSettings, macs: float) -> RunSettings:
        """A run's settings with its ratio as a number; raises as `ratio`."""
        return run.model_copy(update={"ratio": self.ratio(run, macs)})

    def columns(self, run: RunSettings) -> dict[str, Any]:
        """Columns of a run's rows: which model it has, and the MACs that are to be left; of a target, its own."""
        found: dict[str, Any] = {} if run.variant is None else {"model": run.variant}
        target = run.macs if run.kind == "pruned" else run.variant
        if target is not None and (run.kind == "pruned" or target in self._targets):
            found["macs_asked"] = self.macs(target)
        return found

    def latency(self, model: keras.Model, run: RunSettings, measuring: Measuring) -> dict[str, Any]:
        """Columns of a dense model's row: its latency beside that of the first model; none where there is one.

        Args:
            model: the dense one of the run.
            run: says which model it is, and its seed.
            measuring: of the model's problem.
        """
        if run.variant is None:
            return {}
        name, problem = next(iter(self.problems.items()))
        return measuring.latency_beside_first(model, None if name == run.variant else problem.model(run.seed))


def beside_first(row: dict[str, Any], dense: dict[str, Any]) -> dict[str, Any]:
    """The latency of a smaller model beside the first of the dense ones, from that beside its own dense model."""
    if "latency_ratio" not in row or "latency_first_ratio" not in dense:
        return {}
    return {"latency_first_ratio": dense["latency_first_ratio"] * row["latency_ratio"]}
