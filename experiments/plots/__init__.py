"""The plots of a sweep, one idea a module; each has `plot(sweep, options)`, which says what it can draw, or why not."""

from experiments.plots.elements.drawn import Drawn, Options, Skip

__all__ = ["Drawn", "Options", "Skip"]
