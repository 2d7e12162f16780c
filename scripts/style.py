"""The house style of all plots: colours that the colour-blind can tell apart, and how a figure is saved."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.artist import Artist  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402

# Okabe and Ito (2008), with markers, so that colour is never the only difference. Five of one and six of the
# other: thirty curves before a pair comes back.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v")
INK, GREY, FAINT = "#222222", "#6E6E6E", "#E3E3E3"
TASK_COLOURS = {"bbox": COLOURS[0], "class": COLOURS[1], "mask": COLOURS[2], "proposal": COLOURS[3]}
# Okabe and Ito's blue against vermilion, through white: losses and gains.
DIVERGING = matplotlib.colors.LinearSegmentedColormap.from_list("loss_gain", ("#A64600", "#F7F7F7", "#005A8C"))

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


def looks(names: list[str], baseline: str | None = None) -> dict[str, Look]:
    """A look for every curve, the same one in every plot of a sweep; grey for the baseline."""
    others = [name for name in names if name != baseline]
    found = {n: Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, n in enumerate(others)}
    return {name: found.get(name, Look(GREY, "X")) for name in names}


def titled(figure: Figure, text: str) -> None:
    """Put a title at a figure's left edge, in as many lines as it needs."""
    letters = int(figure.get_figwidth() * 72 / 6.4)
    figure.suptitle(textwrap.fill(text, letters), x=0.006, ha="left", fontsize=11, color=INK)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06, wspace=0.03)


def entry(label: str, **look) -> Line2D:
    """A line or marker for a legend."""
    return Line2D([], [], label=label, **look)


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put a legend below the axes, in as many columns as the figure has room for."""
    widths = [0.62 + 0.075 * len(str(handle.get_label())) for handle in handles]
    columns = next((n for n in range(len(widths), 1, -1) if _width(widths, n) < figure.get_figwidth()), 1)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=2.2)


def _width(widths: list[float], columns: int) -> float:
    """Inches of a legend that is filled column by column, the first ones being longer by one if need be."""
    rows, longer = divmod(len(widths), columns)
    starts = [number * rows + min(number, longer) for number in range(columns + 1)]
    return sum(max(widths[i:j]) for i, j in zip(starts, starts[1:], strict=False))


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and SVG, and close it.

    Returns:
        the files' paths.
    """
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    settle(figure)
    figure.savefig(paths[0])
    figure.savefig(paths[1], metadata={"Date": None})
    pyplot.close(figure)
    return paths


def settle(figure: Figure) -> None:
    """Lay a figure out, once: every later drawing of it is quicker."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
