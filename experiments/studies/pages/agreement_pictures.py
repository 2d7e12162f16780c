"""Agreement of the tasks, layer by layer, as a picture and a page."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.plots.elements.style import COLOURS, FAINT, GREY, INK, MARKERS, axes_grid, entry, legend, save, titled
from experiments.runs.run_folder import write_text
from experiments.studies.study_rows import as_markdown


def agreement_pages(folder: Path, parts: dict[str, str] | None = None) -> list[Path]:
    """agreement.png, .svg and .md from agreement.csv; returns their paths.

    Args:
        folder: of the study.
        parts: part -> its title; the parts' own names if None.
    """
    table = pd.read_csv(folder / "agreement.csv")
    means = table.groupby(["part", "task", "other"], sort=False)[["iou", "chance", "rank_correlation", "cosine"]].mean()
    page = means.reset_index().rename(columns={"iou": "IoU of what is kept", "rank_correlation": "rank correlation"})
    text = page.round(2).astype(object).where(page.notna(), None)
    write_text(folder / "agreement.md", as_markdown(text) + "\n")
    return [*save(_figure(table, parts or {}), folder, "agreement"), folder / "agreement.md"]


def _figure(table: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """Panels over the groups in the model's order: IoU beside chance, rank correlation, and the gradients' cosine."""
    groups = list(dict.fromkeys(table["group"]))
    pairs = list(dict.fromkeys(zip(table["task"], table["other"], strict=True)))
    place = {group: number for number, group in enumerate(groups)}
    figure, axes = axes_grid(3, 1, (max(5.0, 1.6 + 0.17 * len(groups)), 7.0), sharex=True, height_ratios=(1.5, 1, 1))
    overlap, ranks, cosine = axes[:, 0]
    for number, pair in enumerate(pairs):
        rows = table[(table["task"] == pair[0]) & (table["other"] == pair[1])]
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        for axis, name in ((overlap, "iou"), (ranks, "rank_correlation"), (cosine, "cosine")):
            means = rows.groupby("group", sort=False)[name].mean()
            x = [place[group] for group in means.index]
            # Where a pair skips groups (one of the two does not reach them) the line is broken.
            breaks = np.flatnonzero(np.diff(x) > 1) + 1
            axis.plot(
                np.insert(np.asarray(x, float), breaks, np.nan), np.insert(means.to_numpy(), breaks, np.nan),
                color=colour, marker=marker, markersize=3.5, linewidth=1.2,
            )  # fmt: skip
    chance = table.groupby("group", sort=False)["chance"].mean()
    overlap.plot([place[group] for group in chance.index], chance, color=GREY, linewidth=1, linestyle=(0, (2, 2)))
    for axis in (ranks, cosine):
        axis.axhline(0, color=INK, linewidth=0.8)
    part_of = dict(zip(table["group"], table["part"], strict=True))
    _parts(axes[:, 0], groups, part_of, titles)
    overlap.set(ylabel="IoU of the channels\nthat two tasks keep", ylim=(0, 1))
    ranks.set(ylabel="rank correlation\nof the scores")
    cosine.set(ylabel="cosine of\nthe gradients")
    cosine.set_xticks(range(len(groups)), [group.rpartition("/")[2] for group in groups], rotation=90, fontsize=6)
    for axis in axes[:, 0]:
        axis.grid(axis="x", visible=False)
    handles = [
        entry(f"{one}, {other}", color=COLOURS[n % len(COLOURS)], marker=MARKERS[n % len(MARKERS)], markersize=4)
        for n, (one, other) in enumerate(pairs)
    ]
    legend(figure, [*handles, entry("random choices", color=GREY, linestyle=(0, (2, 2)))])
    kept = 1 - table["ratio"].iloc[0]
    titled(figure, f"Do the tasks want the same channels? Each keeps the best {kept:.0%} for itself")
    return figure


def _parts(axes, groups: list[str], part_of: dict[str, str], titles: dict[str, str]) -> None:
    """A shade behind every second part, its name above the first panel."""
    begin = 0
    runs = [(part, len(list(mine))) for part, mine in itertools.groupby(groups, part_of.__getitem__)]
    for number, (part, count) in enumerate(runs):
        if len(runs) > 1:
            for axis in axes:
                if number % 2:
                    axis.axvspan(begin - 0.5, begin + count - 0.5, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
            axes[0].annotate(
                titles.get(part, part), (begin + count / 2 - 0.5, 1.01), xycoords=("data", "axes fraction"),
                ha="center", fontsize=7, color=GREY,
            )  # fmt: skip
        begin += count
