"""What a plot gives: figures with captions, or the reason why there are none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd
from matplotlib.figure import Figure

from experiments.errors import UserError
from experiments.table.amounts import MACS, amount_column, amount_text

CostName = Literal["macs", "params", "latency", "bytes"]
BandName = Literal["range", "interval"]


@dataclass(frozen=True)
class Drawn:
    """A figure, drawn when it is first asked for.

    Attributes:
        name: of its files.
        title: a few words.
        caption: what it shows and how to read it, in plain words.
        draw: makes the figure; may raise Skip.
        raster: whether it holds pictures, and is better shown as PNG.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure]
    raster: bool = False

    @functools.cached_property
    def figure(self) -> Figure:
        """Of matplotlib."""
        return self.draw()


class Skip(Exception):
    """There is nothing to draw; the message says what the sweep lacks."""


@dataclass(frozen=True)
class Options:
    """What a user may choose."""

    cost: CostName = "macs"
    """what the x axis of the tradeoff plots is a share of."""
    band: BandName = "range"
    """around a mean over seeds: from the lowest to the highest seed, or the mean's 95% t interval."""
    ratio: float | None = None
    """of the plots that show one ratio; the middle one if not given."""
    seed: int | None = None
    """of the plots that show one seed; the first if not given."""
    count: int = 2
    """pictures beside each other."""
    photo: bool | None = None
    """draw what networks see into the picture; false: on plain grey, for pictures that may not be passed on; if not
    given, pictures are shown that may be passed on."""
    macs: float | None = None
    """in place of ratio, of sweeps that say how many MACs are to be left."""

    def __post_init__(self) -> None:
        for name, value, known in (("cost", self.cost, CostName), ("band", self.band, BandName)):
            if value not in get_args(known):
                raise UserError(f"plots have no {name} {value!r}; there are {', '.join(get_args(known))}")


@dataclass(frozen=True)
class Amount:
    """How much the runs of a plot were pruned that shows one ratio, or one number of MACs that were to be left.

    Attributes:
        value: the ratio or number.
        column: that says it.
    """

    value: float
    column: str

    def __str__(self) -> str:
        return amount_text(self.value, self.column)

    @property
    def pruned(self) -> str:
        """For titles: "50% pruned", "pruned to 272 MMACs"."""
        return f"pruned {self}" if self.column == MACS else f"{self} pruned"

    @property
    def at(self) -> str:
        """For sentences on runs: "at 50%", "to 272 MMACs"."""
        return str(self) if self.column == MACS else f"at {self}"

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Those of the rows that were pruned so much."""
        return rows[rows[self.column] == self.value]


def one_amount(rows: pd.DataFrame, options: Options) -> Amount:
    """How much the runs of a plot were pruned that shows one ratio or number of MACs.

    Raises:
        Skip: no row has the one that was asked for.
    """
    column = amount_column(rows)
    values = sorted(rows[column].dropna().unique())
    if not values:
        raise Skip("no run has a ratio")
    wanted = options.macs if column == MACS else options.ratio
    value = float(values[len(values) // 2]) if wanted is None else wanted
    if value not in values:
        what = "to" if column == MACS else "at ratio"
        raise Skip(f"no run {what} {value:g}; there are {', '.join(f'{one:g}' for one in values)}")
    return Amount(value, column)


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
