"""Means over seeds, with what lies around them."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes

from experiments.plots.elements.drawn import Options
from experiments.plots.elements.style import Look
from experiments.table.claims.statistics import interval
from experiments.table.task_curves import counted


def band(rows: pd.DataFrame, x: pd.Series, y: pd.Series, kind: str) -> pd.DataFrame:
    """The points of a curve.

    Args:
        rows: with `asked` and `seed`; runs of the same seed are averaged first.
        x, y: of each row.
        kind: as Options.band.

    Returns:
        a row a ratio: x (mean), mean, low, high (of y; NaN where a single seed tells nothing), seeds.
    """
    points = pd.DataFrame({"asked": rows["asked"], "seed": rows["seed"], "x": x, "y": y}).dropna()
    points = points.groupby(["asked", "seed"])[["x", "y"]].mean()
    found = []
    for asked, part in points.groupby(level="asked"):
        mean, low, high = interval(part["y"])
        if kind == "range" and len(part) > 1:
            low, high = part["y"].min(), part["y"].max()
        found.append(
            {"asked": asked, "x": part["x"].mean(), "mean": mean, "low": low, "high": high, "seeds": len(part)}
        )
    columns = ["asked", "x", "mean", "low", "high", "seeds"]
    return pd.DataFrame(found, columns=columns).sort_values("x", ascending=False, ignore_index=True)


def draw_band(
    axis: Axes, points: pd.DataFrame, look: Look, start: tuple[float, float] | None = None, filled: bool = True
) -> None:
    """Draw a curve with its band, from the network that nothing was taken from.

    Args:
        axis: to draw on; x is a share that remains.
        points: of `band`.
        look: its colour and marker.
        start: x and y where a line begins without a marker; None: at the first point.
        filled: a full line with filled markers, or a dashed one with hollow markers.
    """
    if points.empty:
        return
    x, y = list(points["x"]), list(points["mean"])
    first_x, first_y = start or (math.nan, math.nan)
    begins = pd.notna(first_x) and pd.notna(first_y)
    dashes, face, order, tint = ("-", look.colour, 4, 0.16) if filled else ((0, (4, 2)), "white", 3, 0.07)
    axis.plot(
        [first_x] * begins + x,
        [first_y] * begins + y,
        color=look.colour,
        linestyle=dashes,
        marker=look.marker,
        markerfacecolor=face,
        markevery=slice(int(begins), None),
        zorder=order,
        clip_on=False,
    )
    known = points.dropna(subset=["low", "high"])
    if len(known) > 1:
        axis.fill_between(known["x"], known["low"], known["high"], color=look.colour, alpha=tint, linewidth=0)
    elif len(known):
        axis.vlines(known["x"], known["low"], known["high"], color=look.colour, linewidth=1, alpha=0.6)


def band_text(seeds: int, options: Options) -> str:
    """What line and band mean, for captions."""
    if seeds < 2:
        return f"{counted(seeds, 'seed')}: no band, and no claim about which is better."
    if options.band == "range":
        return f"Lines are means over {seeds} seeds, bands reach from the lowest to the highest seed."
    return f"Lines are means over {seeds} seeds, bands are 95% t intervals of the mean."
