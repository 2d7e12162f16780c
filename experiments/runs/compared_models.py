"""The models that a grid compares: the problem of each, its MACs, and the first, which others are timed against."""

from __future__ import annotations

import keras

from experiments.problem import Problem
from experiments.runs.grid import RunSettings
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
        self._macs: dict[str | None, float] = {}

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
            raise LeftOut(f"its {macs / 1e6:.4g} MMACs are no more than the {target / 1e6:.4g} that are to be left")
        return 1 - target / macs

    def is_first(self, name: str | None) -> bool:
        """Whether a model is the one that others are timed against."""
        return name == next(iter(self.problems))

    def first(self, seed: int) -> keras.Model:
        """The first model as its seed draws it, not trained."""
        return next(iter(self.problems.values())).model(seed)
