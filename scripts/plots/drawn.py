"""What a plot gives: figures with captions, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawn:
    """A figure.

    Attributes:
        name: of its files.
        title: a few words.
        caption: what it shows and how to read it, in plain words.
        figure: of matplotlib.
        raster: whether it holds pictures, and is better shown as PNG.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    raster: bool = False


class Skip(Exception):
    """There is nothing to draw; the message says what the sweep lacks."""


@dataclass(frozen=True)
class Options:
    """What a user may choose."""

    cost: Literal["macs", "params", "latency", "bytes"] = "macs"
    """what the x axis of the tradeoff plots is a share of."""
    band: Literal["range", "interval"] = "range"
    """around a mean over seeds: from the lowest to the highest seed, or the mean's 95% t interval."""
    ratio: float | None = None
    """of the plots that show one ratio; the middle one if not given."""
    seed: int | None = None
    """of the plots that show one seed; the first if not given."""
    count: int = 2
    """pictures beside each other."""
    photo: bool | None = None
    """draw detections into the picture; false: on plain grey, for pictures that may not be passed on; if not
    given, only drawn shapes are shown."""


def one_ratio(rows: pd.DataFrame, options: Options) -> float:
    """The ratio of a plot that shows one.

    Raises:
        Skip: no row has the ratio that was asked for.
    """
    ratios = sorted(rows["asked"].dropna().unique())
    if not ratios:
        raise Skip("no run has a ratio")
    ratio = float(ratios[len(ratios) // 2]) if options.ratio is None else options.ratio
    if ratio not in ratios:
        raise Skip(f"no run at ratio {ratio:g}; there are {', '.join(f'{one:g}' for one in ratios)}")
    return ratio


def one_seed(rows: pd.DataFrame, options: Options) -> int:
    """The seed of a plot that shows one.

    Raises:
        Skip: no row has the seed that was asked for.
    """
    seeds = sorted(int(seed) for seed in rows["seed"].dropna().unique())
    if not seeds:
        raise Skip("no run has a seed")
    seed = seeds[0] if options.seed is None else options.seed
    if seed not in seeds:
        raise Skip(f"no run of seed {seed}; there are {', '.join(map(str, seeds))}")
    return seed
