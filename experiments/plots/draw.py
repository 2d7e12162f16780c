"""Draws the plots of a sweep, as PNG and SVG into its folder; a plot whose data the sweep lacks is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.errors import UserError
from experiments.plots import (
    breakdowns,
    class_maps,
    compared,
    early_drop,
    examples,
    pareto,
    part_maps,
    tasks,
    tradeoff,
    weight_histograms,
    widths,
)
from experiments.plots.elements.drawn import Drawn, Options, Skip
from experiments.plots.elements.style import save
from experiments.plots.histories import training_curves
from experiments.table.sweep_data import Sweep, read

PLOTS: dict[str, Callable[[Sweep, Options], list[Drawn]]] = {
    "tradeoff": tradeoff.plot,
    "models": compared.plot,
    "tasks": tasks.plot,
    "pareto": pareto.plot,
    "parts": part_maps.plot,
    "prediction": early_drop.plot,
    "breakdowns": breakdowns.plot,
    "classes": class_maps.plot,
    "widths": widths.plot,
    "schedule": training_curves.plot,
    "weights": weight_histograms.plot,
    "pictures": examples.plot,
}


def drawings(sweep: Sweep, options: Options, say: Callable[[str], None]) -> Iterator[Drawn]:
    """Every figure that a sweep has the data for, drawn.

    Args:
        sweep: to draw.
        options: of the user.
        say: called with a line for every plot that is left out.
    """
    for name, plot in PLOTS.items():
        try:
            for drawn in plot(sweep, options):
                drawn.figure  # noqa: B018 (drawn here, where a reason to skip it is caught)
                yield drawn
        except (Skip, UserError) as reason:  # a file that is broken spoils its own plot only
            say(f"{name}: left out: {reason}")


def draw(folder: Path | str, options: Options | None = None, say: Callable[[str], None] = print) -> list[Path]:
    """Draw every plot of a sweep into its folder.

    Args:
        folder: of the sweep; has runs.csv.
        options: of the user.
        say: as `drawings`.

    Returns:
        the files' paths.

    Raises:
        UserError: there is no such table.
    """
    sweep = read(folder)
    return [
        path
        for drawn in drawings(sweep, options or Options(), say)
        for path in save(drawn.figure, sweep.folder, drawn.name)
    ]


def kinds(sweep: Sweep) -> list[str]:
    """Names of the figures that a sweep has the data for; nothing is drawn."""
    return list(_offered(sweep, Options())[0])


def draw_one(sweep: Sweep, kind: str, options: Mapping[str, Any]) -> Figure:
    """One figure by its name.

    Args:
        sweep: to draw.
        kind: one of `kinds`.
        options: fields of Options.

    Raises:
        UserError: there is no such figure or option, or the sweep lacks what the figure shows.
    """
    known = [field.name for field in dataclasses.fields(Options)]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UserError(f"no plot has the option {', '.join(unknown)}; there are {', '.join(known)}")
    # The network is imported only where its pictures are asked for.
    plots = {name: plot for name, plot in PLOTS.items() if name != "pictures" or kind.startswith(name)}
    offered, reasons = _offered(sweep, Options(**options), plots)
    if kind in offered:
        try:
            return offered[kind].figure
        except Skip as skipped:
            raise UserError(f"{kind} cannot be drawn: {skipped}") from None
    family = "breakdowns" if kind in {one.name for one in sweep.problem.breakdowns} else kind
    for name, reason in reasons.items():
        if family == name or family.startswith(f"{name}_"):
            raise UserError(f"{kind} cannot be drawn: {reason}")
    raise UserError(f"there is no figure {kind!r}; of {sweep.name} there are {', '.join(offered) or 'none'}")


def _offered(sweep: Sweep, options: Options, plots: Mapping = PLOTS) -> tuple[dict[str, Drawn], dict[str, str]]:
    """Name -> figure, not drawn yet; plot -> why it has none."""
    offered: dict[str, Drawn] = {}
    reasons: dict[str, str] = {}
    for name, plot in plots.items():
        try:
            offered |= {drawn.name: drawn for drawn in plot(sweep, options)}
        except (Skip, UserError) as reason:
            reasons[name] = str(reason)
    return offered, reasons
