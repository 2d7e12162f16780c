"""Write a sweep's report, one page that needs nothing beside it: taskprune report results/shapes

Makes report.html and the plots in the sweep's folder: settings, machines, verdicts, plots, every run, failures.
"""

from __future__ import annotations

from collections.abc import Sequence

from experiments.commands.plot_options import read_options


def main(arguments: Sequence[str]) -> int:
    folder, options = read_options("taskprune report", __doc__ or "", arguments)
    from experiments.report.page import write_report

    print(write_report(folder, options))
    return 0
