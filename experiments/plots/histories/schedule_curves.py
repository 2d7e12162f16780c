"""A picture of every pruning schedule: `python -m experiments.plots.histories.schedule_curves docs/schedules.png`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

import schedules
from experiments.plots.elements.style import INK

_STEPS = 120
_FROM: dict[str, Any] = {
    "initial_sparsity": 0.0, "final_sparsity": 0.8, "begin_step": 10, "end_step": 100, "frequency": 5,
}  # fmt: skip


def drawn_schedules() -> dict[str, schedules.Schedule]:
    """Every schedule with the settings that the picture shows, by what it is called there."""
    return {
        "ConstantSparsity": schedules.ConstantSparsity(0.8, 10, 100, frequency=5),
        "OneShot": schedules.OneShot(0.8, 10),
        "IterativeSparsity, 3 cuts": schedules.IterativeSparsity(**{**_FROM, "frequency": 30}, n_steps=3),
        "PolynomialDecay, power 3": schedules.PolynomialDecay(**_FROM, power=3),
        "ExponentialSparsity": schedules.ExponentialSparsity(**_FROM),
        "CosineSparsity": schedules.CosineSparsity(**_FROM),
        "OneCycleSparsity": schedules.OneCycleSparsity(**_FROM),
        "CyclicalSparsity, 3 waves": schedules.CyclicalSparsity(**_FROM, cycles=3),
        "Repeated, 3 cubic cycles": schedules.Repeated(
            schedules.PolynomialDecay(**{**_FROM, "end_step": 39, "frequency": 3}), cycles=3
        ),
    }


def picture() -> Figure:
    """A panel a schedule: its sparsity by step, and a mark at every step where it prunes."""
    every = drawn_schedules()
    figure = Figure(figsize=(9.0, 7.2), layout="constrained")
    axes = figure.subplots(3, 3, sharex=True, sharey=True)
    for axis, (name, schedule) in zip(axes.flat, every.items(), strict=True):
        answers = [schedule(step) for step in range(_STEPS + 1)]
        held, now = [], 0.0
        for due, sparsity in answers:  # what a network has is what it was last pruned to
            now = sparsity if due else now
            held.append(now)
        axis.plot([sparsity for _, sparsity in answers], color=INK, linewidth=0.8, linestyle=":")
        axis.step(range(_STEPS + 1), held, where="post", color="C0", linewidth=1.6)
        turns = [step for step, (due, _) in enumerate(answers) if due]
        axis.plot(turns, [answers[step][1] for step in turns], "o", color="C0", markersize=3.5)
        axis.set_title(name, fontsize=10)
        axis.set_ylim(-0.03, 1.0)
    for axis in axes[-1]:
        axis.set_xlabel("step")
    for axis in axes[:, 0]:
        axis.set_ylabel("sparsity")
    figure.suptitle("dotted: the schedule's value; line: what is held; points: steps that prune", fontsize=10)
    return figure


if __name__ == "__main__":
    picture().savefig(Path(sys.argv[1]), dpi=130)
