"""The tradeoff plot: what each task keeps as computation goes."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from style import COLOURS, GREY, INK, MARKERS, pyplot


@dataclass(frozen=True)
class Panel:
    """One task's panel: its title, the measure drawn, and what the y axis says."""

    title: str
    column: str
    label: str


ISOLATED = (
    Panel("Boxes", "bbox_refined_iou", "IoU of refined boxes"),
    Panel("Classes", "class_accuracy", "macro accuracy"),
    Panel("Masks", "mask_iou", "mask IoU on true boxes"),
    Panel("Proposals", "proposal_ar100", "AR of 100 proposals"),
)
END_TO_END = (
    Panel("Boxes", "bbox_ap50", "box AP50"),
    Panel("Class-agnostic boxes", "bbox_class_agnostic_ap", "class-agnostic box AP"),
    Panel("Masks", "mask_ap50", "mask AP50"),
    Panel("Masks, strict", "mask_ap75", "mask AP75"),
)
# Reference stage -> (name in the legend, colour, dashes)
REFERENCES = {
    "dense": ("dense", INK, (0, (1, 1.5))),
    "dense_control": ("dense, same extra training", INK, "-"),
    "floor": ("floor (no model)", GREY, (0, (5, 3))),
}


def tradeoff(table: pd.DataFrame, panels: tuple[Panel, ...], title: str) -> Figure:
    """Quality of each task against the MACs that are left, after pruning and after fine-tuning.

    Args:
        table: rows of `runs.csv`.
        panels: what is drawn.
        title: of the figure.

    Returns:
        a Figure of one row of panels. Points are means over seeds.
    """
    curves = series(table)
    size = (2.9 * len(panels) + 0.4, 3.5)
    figure, axes = pyplot.subplots(1, len(panels), figsize=size, sharex=True, layout="constrained")
    for panel, axis in zip(panels, axes, strict=True):
        for stage, (_, colour, dashes) in REFERENCES.items():
            level = table.loc[table["stage"] == stage, panel.column].mean()
            if pd.notna(level):
                axis.axhline(level, color=colour, linestyle=dashes, linewidth=1.1, zorder=1)
        for number, (_, rows) in enumerate(curves.items()):
            for stage, dashes, filled in (("pruned", (0, (4, 2)), False), ("finetuned", "-", True)):
                origin = "dense_control" if filled else "dense"
                start = table.loc[table["stage"] == origin, panel.column].mean()
                _curve(axis, rows[rows["stage"] == stage], panel.column, start, number, dashes, filled)
        axis.set_title(panel.title)
        axis.set_ylabel(panel.label)
        axis.set_xlabel("multiply-adds left")
        axis.set_xlim(1.03, 0)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    figure.suptitle(title, x=0.006, ha="left", fontsize=11, color=INK)
    handles = _legend(curves)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=2.6)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06, wspace=0.03)
    return figure


def series(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Pruned rows by what sets their curve apart: the method, and scope or schedule where these vary."""
    rows = table[table["stage"].isin(["pruned", "finetuned"])]
    if rows.empty:
        return {}
    keys = ["method"] + [key for key in ("scope", "schedule") if rows[key].nunique() > 1]
    return {
        ", ".join(map(str, key)): part for key, part in rows.groupby(keys, sort=False)
    }


def _curve(
    axis: Axes, rows: pd.DataFrame, column: str, start: float, number: int, dashes, filled: bool
) -> None:
    """A method's points, and a line to them from the network that nothing was taken from."""
    points = rows.assign(left=rows["effective_macs"] / rows["macs"]).groupby("asked")[["left", column]].mean()
    if points.empty:
        return
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    face, order = (colour, 4) if filled else ("white", 3)
    left, values = [1.0, *points["left"]], [start, *points[column]]
    axis.plot(left, values, color=colour, linestyle=dashes, zorder=order, marker=marker, markerfacecolor=face,
              markevery=slice(1, None), clip_on=False)


def _legend(curves: dict[str, pd.DataFrame]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], label=name)
        for i, name in enumerate(curves)
    ]
    handles.append(Line2D([], [], color=GREY, linestyle=(0, (4, 2)), marker="o", markerfacecolor="white",
                          label="after pruning"))
    handles.append(Line2D([], [], color=GREY, marker="o", label="after fine-tuning"))
    for name, colour, dashes in REFERENCES.values():
        handles.append(Line2D([], [], color=colour, linestyle=dashes, linewidth=1.1, label=name))
    return handles
