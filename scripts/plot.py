"""Draw the plots of a sweep, as PNG and SVG into its folder: plot.py results/shapes [--cost latency]

A plot whose data the sweep lacks is left out, with a line that says why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import tyro

import boot  # noqa: F401
from command import UserError, guarded
from plots import PLOTS, Drawn, Options, Skip
from reading import Sweep, read
from style import save


def drawings(sweep: Sweep, options: Options, say: Callable[[str], None]) -> Iterator[Drawn]:
    """Every plot that a sweep has the data for.

    Args:
        sweep: to draw.
        options: of the user.
        say: called with a line for every plot that is left out.
    """
    for name, plot in PLOTS.items():
        try:
            yield from plot(sweep, options)
        except (Skip, UserError) as reason:  # a file that is broken spoils its own plot only
            say(f"{name}: left out: {reason}")


def draw(folder: Path, options: Options | None = None, say: Callable[[str], None] = print) -> list[Path]:
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
    return [
        path
        for drawn in drawings(read(folder), options or Options(), say)
        for path in save(drawn.figure, folder, drawn.name)
    ]


def main() -> int:
    @dataclasses.dataclass(frozen=True)
    class Arguments(Options):
        folder: Annotated[Path, tyro.conf.Positional] = dataclasses.field(kw_only=True)
        """of the sweep; has runs.csv."""

    given = tyro.cli(Arguments, description=__doc__)
    options = Options(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Options)})
    for path in draw(given.folder, options):
        print(path)
    return 0


if __name__ == "__main__":
    guarded(main)
