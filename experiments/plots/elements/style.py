"""The house style of all plots: colours that the colour-blind can tell apart, and how a figure is saved."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot  # figures are made without it; notebooks show them once it is imported
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.declaration import Declaration, Measure
from experiments.table.task_curves import baseline

# Okabe and Ito (2008), with markers, so that colour is never the only difference. Five of one and six of the
# other: thirty curves before a pair comes back.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v")
MOST_BESIDE = 4  # panels in a row
LABEL_LETTERS, TITLE_LETTERS = 30, 22  # in a line beside and above a panel
INK, GREY, FAINT = "#222222", "#6E6E6E", "#E3E3E3"
# Okabe and Ito's blue against vermilion, through white: losses and gains.
DIVERGING = LinearSegmentedColormap.from_list("loss_gain", ("#A64600", "#F7F7F7", "#005A8C"))

pyplot.rcParams.update(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.labelsize": 9,
        "axes.edgecolor": GREY,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.7,
        "lines.linewidth": 1.6,
        "lines.markersize": 5,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "figure.dpi": 100,
        "savefig.dpi": 200,
        "svg.fonttype": "none",
        "svg.hashsalt": "taskprune",
    }
)


@dataclass(frozen=True)
class Look:
    """Colour and marker of a curve."""

    colour: str
    marker: str


def looks(curves: list[str]) -> dict[str, Look]:
    """A look for every curve, the same one in every plot of a sweep; grey for the random baseline.

    Where there are more curves than colours, those of one criterion (or model) share its colour and differ in markers.
    """
    families: dict[str, list[str]] = {}
    for name in curves:
        families.setdefault(name.partition(", ")[0], []).append(name)
    if len(curves) > len(COLOURS) and len(families) < len(curves) and max(map(len, families.values())) <= len(MARKERS):
        colours = looks(list(families))
        return {
            name: Look(colours[family].colour, marker)
            for family, names in families.items()
            for name, marker in zip(names, MARKERS, strict=False)
        }
    random = baseline(curves)
    others = [name for name in curves if name != random]
    found = {n: Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, n in enumerate(others)}
    return {name: found.get(name, Look(GREY, "X")) for name in curves}


def task_looks(problem: Declaration) -> dict[str, Look]:
    """A look for every task, by its place in the declaration."""
    return {
        task.name: Look(COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])
        for number, task in enumerate(problem.tasks)
    }


def parts_of(layers: Iterable[str], problem: Declaration) -> dict[str, str]:
    """Layer or group -> its part of the network, the parts in the order in which they are drawn.

    Where a problem declares no parts and layers have no first names, the network is one part.
    """
    every = list(dict.fromkeys(layers))
    if not problem.parts and not any("/" in layer for layer in every):
        return dict.fromkeys(every, "network")
    found = {layer: problem.part_of(layer) for layer in every}
    order = problem.parts_in_order(found.values())
    return dict(sorted(found.items(), key=lambda item: order.index(item[1])))


def part_colours(parts: Iterable[str], problem: Declaration) -> dict[str, str]:
    """A colour for every part, the same one in every plot of a sweep."""
    shown = list(dict.fromkeys(parts))
    order = list(dict.fromkeys([*problem.parts, *problem.parts_in_order(shown)]))
    return {part: COLOURS[order.index(part) % len(COLOURS)] for part in shown}


def lines_and_columns(panels: int, beside: int = MOST_BESIDE) -> tuple[int, int]:
    """Rows and columns of so many panels, at most so many beside each other, and rows of about the same length."""
    lines = max(1, math.ceil(panels / beside))
    return lines, math.ceil(panels / lines)


def axes_grid(lines: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure with axes in lines and columns.

    Args:
        lines, columns: of axes.
        size: width and height of the figure, inches.
        options: of Figure.subplots.

    Returns:
        the figure, and its axes, (lines, columns).
    """
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(lines, columns, squeeze=False, **options)


def panel_grid(
    panels: int,
    size: tuple[float, float],
    margin: tuple[float, float] = (0.3, 0.6),
    beside: int = MOST_BESIDE,
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """A figure with panels in rows.

    Args:
        panels: number.
        size: width and height of one, inches.
        margin: what the figure has beside and below them, inches.
        beside: panels in a row at most.
        options: of Figure.subplots.

    Returns:
        the figure, and its axes, row by row.
    """
    lines, columns = lines_and_columns(panels, beside)
    shape = (max(4.6, columns * size[0] + margin[0]), lines * size[1] + margin[1])
    figure, axes = axes_grid(lines, columns, shape, **options)
    for axis in axes.flat[panels:]:
        axis.set_visible(False)
    return figure, list(axes.flat[:panels])


def first_in_row(axis: Axes) -> bool:
    """Whether a panel is the first of its row, which bears the label of them all."""
    place = axis.get_subplotspec()
    return place is not None and place.is_first_col()


def share_axis(axis: Axes, most: float, label: str) -> None:
    """Make the x axis of a panel a share that remains, from all of it at the left to nothing at the right."""
    axis.set_xlabel(label)
    axis.set_xlim(max(1.0, most) + 0.03, 0)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.xaxis.set_tick_params(labelbottom=True)


def wrapped(text: str, letters: int = LABEL_LETTERS) -> str:
    """A panel's title or axis label, in as many lines as it needs."""
    return textwrap.fill(text, letters)


def capital(text: str) -> str:
    """A title with a capital at its beginning, the rest as it is."""
    return text[:1].upper() + text[1:]


def direction(measure: Measure | None) -> str:
    """What an axis' label ends with: " (lower is better)" where it is."""
    return " (lower is better)" if measure is not None and measure.higher_is_better is False else ""


def titled(figure: Figure, text: str) -> None:
    """Put a title at a figure's left edge, in as many lines as it needs."""
    letters = int(figure.get_figwidth() * 72 / 6.4)
    figure.suptitle(textwrap.fill(text, letters), x=0.006, ha="left", fontsize=11, color=INK)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06, wspace=0.03)


def entry(label: str, **look) -> Line2D:
    """A line or marker for a legend."""
    return Line2D([], [], label=label, **look)


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put a legend below the axes, in as many columns as the figure has room for; for a long one it is made higher."""
    widths = [0.62 + 0.075 * len(str(handle.get_label())) for handle in handles]
    columns = next((n for n in range(len(widths), 1, -1) if _width(widths, n) < figure.get_figwidth()), 1)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=2.2)
    figure.set_figheight(figure.get_figheight() + 0.2 * max(0, math.ceil(len(widths) / columns) - 2))


def _width(widths: list[float], columns: int) -> float:
    """Inches of a legend that is filled column by column, the first ones being longer by one if need be."""
    rows, longer = divmod(len(widths), columns)
    starts = [number * rows + min(number, longer) for number in range(columns + 1)]
    return sum(max(widths[i:j]) for i, j in zip(starts, starts[1:], strict=False))


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and SVG.

    Returns:
        the files' paths.
    """
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    settle(figure)
    figure.savefig(paths[0])
    figure.savefig(paths[1], metadata={"Date": None})
    return paths


def settle(figure: Figure) -> None:
    """Lay a figure out, once: every later drawing of it is quicker."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
