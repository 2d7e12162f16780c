"""Draw the plots of a sweep, as PNG and SVG into its folder: taskprune plot results/shapes [--cost latency]

A plot whose data the sweep lacks is left out, with a line that says why.
"""

from __future__ import annotations

from collections.abc import Sequence

from experiments.commands.plot_options import read_options


def main(arguments: Sequence[str]) -> int:
    folder, options = read_options("taskprune plot", __doc__ or "", arguments)
    from experiments.plots.draw import draw

    for path in draw(folder, options):
        print(path)
    return 0
