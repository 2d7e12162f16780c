"""The pictures and pages of the studies, from their tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.declaration import Figure as Panels
from experiments.plots.elements.style import COLOURS, GREY, INK, MARKERS, entry, legend, panel_grid, save, titled
from experiments.runs.run_folder import write_text
from experiments.studies.pages.phases_tables import read_phases
from experiments.studies.pages.stage_pictures import stage_figure
from experiments.studies.study_rows import as_markdown, mean_and_spread


def phases_pages(folder: Path, tasks: Mapping[str, str], figures: Sequence[Panels] = ()) -> list[Path]:
    """phases.png, .svg and .md from phases.csv, of the first part that was pruned; returns their paths.

    Args:
        folder: of the study.
        tasks: task -> title.
        figures: further ones, of measures as they are, stage by stage: phases_<name>.png and .svg.
    """
    table = read_phases(folder / "phases.csv")
    gone = "filters gone" if "achieved" in table else "MACs gone"
    figure = _qualities(table, tasks, "arm", "Loss weights in training, and what pruning then costs", gone)
    shown = table[table["stage"] != "dense_control"]
    made = _written(folder, "phases", figure, shown, ["arm", "asked", "stage"], tasks)
    for one in figures:
        drawn = stage_figure(table, one.panels, f"Loss weights in training: {one.title}", gone)
        made += save(drawn, folder, f"phases_{one.name}")
    return made


def ratios_pages(folder: Path, tasks: Mapping[str, str]) -> list[Path]:
    """ratios.png, .svg and .md from ratios.csv; returns their paths."""
    table = pd.read_csv(folder / "ratios.csv")
    table = table[table["ways"] != "dense_control"]
    figure = _qualities(table, tasks, "ways", "Ratios solved from sensitivities, at equal MACs")
    return _written(folder, "ratios", figure, table, ["ways", "asked", "stage"], tasks)


def _qualities(
    table: pd.DataFrame, tasks: Mapping[str, str], curves: str, title: str, gone: str = "MACs gone"
) -> Figure:
    """A panel a task: quality over the share of MACs (or filters) that is gone, before and after fine-tuning."""
    names = list(dict.fromkeys(table[curves]))
    looks = {name: (COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]) for n, name in enumerate(names)}
    figure, axes = panel_grid(len(tasks), (2.9, 3.0), sharey=True)
    for axis, (task, text) in zip(axes, tasks.items(), strict=True):
        for name, (colour, marker) in looks.items():
            for stage, dashes, face in (("pruned", (0, (3, 2)), "white"), ("finetuned", "-", colour)):
                rows = table[(table[curves] == name) & (table["stage"] == stage)]
                means = rows.groupby("asked")[f"{task}_quality"].mean()
                axis.plot(
                    means.index, means, color=colour, marker=marker, markersize=4, linestyle=dashes,
                    markerfacecolor=face, linewidth=1.3,
                )  # fmt: skip
        axis.axhline(1.0, color=INK, linewidth=0.8)
        axis.set_title(text)
        axis.set_xlabel(gone)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    # Dead tasks fall far below the trivial predictor: how far says nothing.
    drawn = [np.asarray(line.get_ydata(), dtype=float) for axis in axes for line in axis.lines]
    lowest = min((float(np.nanmin(values)) for values in drawn if np.isfinite(values).any()), default=0.0)
    axes[0].set_ylim(bottom=max(-0.3, lowest) - 0.04)
    axes[0].set_ylabel("quality (100%: not pruned)")
    handles = [entry(name, color=colour, marker=marker) for name, (colour, marker) in looks.items()]
    before = entry("before fine-tuning", color=GREY, linestyle=(0, (3, 2)), marker="o", markerfacecolor="white")
    legend(figure, [*handles, before, entry("after", color=GREY, marker="o")])
    titled(figure, title)
    return figure


def _written(
    folder: Path, name: str, figure: Figure, table: pd.DataFrame, keys: list[str], tasks: Mapping[str, str]
) -> list[Path]:
    columns = [f"{task}_quality" for task in tasks]
    page = mean_and_spread(table, keys, columns)
    page["asked"] = [f"{value:.0%}" if pd.notna(value) else "" for value in page["asked"]]
    page = page.rename(columns=dict(zip(columns, tasks.values(), strict=True)))
    write_text(folder / f"{name}.md", as_markdown(page) + "\n")
    return [*save(figure, folder, name), folder / f"{name}.md"]
