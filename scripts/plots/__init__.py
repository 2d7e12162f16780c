"""The plots of a sweep, one idea a module; each has `plot(sweep, options)`, which gives figures or says why not."""

from plots import pareto, parts, pictures, prediction, schedule, tasks, tide, tradeoff, weights, widths
from plots.drawn import Drawn, Options, Skip

PLOTS = {
    "tradeoff": tradeoff.plot,
    "tasks": tasks.plot,
    "pareto": pareto.plot,
    "parts": parts.plot,
    "prediction": prediction.plot,
    "tide": tide.plot,
    "widths": widths.plot,
    "schedule": schedule.plot,
    "weights": weights.plot,
    "pictures": pictures.plot,
}

__all__ = ["PLOTS", "Drawn", "Options", "Skip"]
