"""The tradeoff plot: what each task keeps as the network gets smaller."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.declaration import Declaration
from experiments.plots.elements.bands import band, band_text, draw_band
from experiments.plots.elements.drawn import Drawn, Options, Skip
from experiments.plots.elements.style import (
    GREY,
    INK,
    TITLE_LETTERS,
    Look,
    capital,
    direction,
    entry,
    legend,
    looks,
    panel_grid,
    share_axis,
    titled,
    wrapped,
)
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import (
    COSTS,
    labels,
    left_text,
    names,
    remaining,
    several_models,
    whole_network,
    whole_network_ends,
)


@dataclass(frozen=True)
class Panel:
    """One panel: its title, the measure drawn, and what the y axis says."""

    title: str
    column: str
    label: str


@dataclass(frozen=True)
class Kind:
    """A figure of panels: name of its files, a few words, and a sentence for the caption."""

    name: str
    title: str
    remark: str
    panels: list[Panel]


# Reference stage -> (name in the legend, colour, dashes)
REFERENCES = {
    "dense": ("dense", INK, (0, (1, 1.5))),
    "dense_control": ("dense, same extra training", INK, "-"),
    "floor": ("floor (no model)", GREY, (0, (5, 3))),
}


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Quality against cost, a panel a task: absolute, and as difference to the dense control.

    Raises:
        Skip: there is no pruned run of the whole network.
    """
    curves = Curves(sweep, options)
    found = []
    for kind in kinds(sweep.problem):
        shown = [panel for panel in kind.panels if curves.has(panel.column)]
        if not shown:
            continue
        text = f"Quality of each task against the share of {COSTS[options.cost].name} that is left. {kind.remark} "
        text += "The share is of the largest dense model's; a star is a dense model. " * several_models(sweep.table)
        text += band_text(curves.seeds, options)
        draw = functools.partial(curves.absolute, shown, f"{sweep.name}: {kind.title}")
        found.append(Drawn(kind.name, capital(kind.title), text, draw))
        shown = [panel for panel in shown if curves.has(f"delta_{panel.column}")]
        if shown:
            title = f"{kind.title}, difference to the dense control"
            text = "The same, each run minus the dense network of its own seed that had the same extra training: "
            text += "0 means that nothing was lost; networks from scratch are compared with the dense network. "
            text += band_text(curves.seeds, options)
            draw = functools.partial(curves.deltas, shown, f"{sweep.name}: {title}")
            found.append(Drawn(f"{kind.name}_delta", capital(title), text, draw))
    if not found:
        raise Skip("the table has no measure of a task")
    return found


def kinds(problem: Declaration) -> list[Kind]:
    """The figure of the primary measures, then those that the problem adds."""
    measures = problem.measures

    def panel(title: str, column: str) -> Panel:
        measure = measures.get(column)
        label = measure.axis if measure else column.replace("_", " ")
        return Panel(capital(title), column, label + direction(measure))

    primary = [panel(task.title, task.column) for task in problem.tasks]
    own = Kind("tradeoff", "each task on its own", "No other task can move these measures.", primary)
    return [own] + [
        Kind(f"tradeoff_{figure.name}", figure.title, figure.remark, [panel(t, c) for c, t in figure.panels.items()])
        for figure in problem.figures
    ]


def _named(rows: pd.DataFrame, ends: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(curve=labels(rows, ends))


class Curves:
    """The curves of a sweep, ready to be drawn.

    Args:
        sweep: to draw.
        options: of the user.

    Raises:
        Skip: there is nothing to draw.
    """

    def __init__(self, sweep: Sweep, options: Options) -> None:
        table = sweep.table.assign(remaining=remaining(sweep.table, options.cost))
        ends = whole_network_ends(table)
        if ends.empty:
            raise Skip("no pruned run of the whole network is finished")
        if ends["remaining"].isna().all():
            raise Skip(f"the table has no {COSTS[options.cost].column_of(table)} of the pruned runs")
        rows = whole_network(table[table["criterion"].notna()])
        self.table, self.options, self.names = table, options, names(table)
        self.rows = {
            "pruned": _named(rows[rows["stage"] == "pruned"], ends),
            "final": _named(ends, ends),
            "scratch": self._scratch_rows(rows[rows["stage"] == "scratch"], ends),
        }
        self.smaller = table[table["stage"] == "smaller_input"]
        self.looks = looks(self.names)
        self.seeds = int(ends["seed"].nunique())
        self.several = several_models(table)

    def _scratch_rows(self, rows: pd.DataFrame, ends: pd.DataFrame) -> pd.DataFrame:
        """Rows from scratch, each with the curve whose plan it used, however that was retrained."""
        plans = labels(rows, ends.assign(retraining=None))
        curves = {p: next((n for n in self.names if f"{n}, ".startswith(f"{p}, ")), p) for p in plans.unique()}
        return rows.assign(curve=plans.map(curves))

    def points(self, kind: str, curve: str, column: str) -> pd.DataFrame:
        """The band of one curve; `kind` is pruned, final or scratch."""
        rows = self.rows[kind]
        rows = rows[rows["curve"] == curve]
        return band(rows, rows["remaining"], rows[column], self.options.band)

    def levels(self, stage: str, column: str) -> list[float]:
        """Means of a reference stage over seeds: one, or one for each way in which the control was trained on."""
        rows = self.table[self.table["stage"] == stage]
        means = rows.groupby(rows["retraining"].fillna(""))[column].mean()
        return [float(mean) for mean in means.dropna()]

    def start(self, kind: str, curve: str, column: str) -> tuple[float, float]:
        """Where a curve begins: what is left of, and the mean of, what its rows are compared with."""
        rows = self.rows[kind]
        runs = rows.loc[rows["curve"] == curve, "reference"]
        tops = self.table[self.table["stage"].isin(["dense", "dense_control"]) & self.table["run"].isin(runs)]
        return (tops["remaining"].mean() if self.several else 1.0), tops[column].mean()

    def has(self, column: str) -> bool:
        """Whether any finished run has a figure in a column."""
        rows = self.rows["final"]
        return column in rows and bool(rows[column].notna().any())

    def absolute(self, panels: list[Panel], title: str) -> Figure:
        """Values after pruning and after fine-tuning, with the reference lines."""
        figure, axes = self._axes(panels)
        for panel, axis in zip(panels, axes, strict=True):
            for stage in self._lines():
                _, colour, dashes = REFERENCES[stage]
                for level in self.levels(stage, panel.column):
                    axis.axhline(level, color=colour, linestyle=dashes, linewidth=1.1, zorder=1)
            for name, look in self.looks.items():
                for kind in ("pruned", "final"):
                    start = self.start(kind, name, panel.column)
                    draw_band(axis, self.points(kind, name, panel.column), look, start, kind == "final")
                    if self.several and kind == "final":
                        axis.plot(*start, "*", color=look.colour, markersize=9, zorder=6, clip_on=False)
                self._scratch(axis, name, panel.column, look)
            self._smaller_inputs(axis, panel.column)
            axis.set_ylabel(wrapped(panel.label))
        shown = [stage for stage in self._lines() if self.table["stage"].eq(stage).any()]
        self._finish(figure, title, self._legend(shown, not self.rows["pruned"].empty))
        return figure

    def _lines(self) -> list[str]:
        """The references that are the same for all curves."""
        return ["floor"] if self.several else list(REFERENCES)

    def deltas(self, panels: list[Panel], title: str) -> Figure:
        """Differences to the dense control of the same seed, after fine-tuning."""
        figure, axes = self._axes(panels)
        shown = ["dense_control"]
        for panel, axis in zip(panels, axes, strict=True):
            column = f"delta_{panel.column}"
            axis.axhline(0, color=INK, linewidth=1.1, zorder=1)
            for name, look in self.looks.items():
                draw_band(axis, self.points("final", name, column), look, (self.start("final", name, column)[0], 0.0))
                self._scratch(axis, name, column, look)
            self._smaller_inputs(axis, column)
            low, high = axis.get_ylim()
            floors, controls = self.levels("floor", panel.column), self.levels("dense_control", panel.column)
            floors = [] if self.several else floors  # each model's control is another distance away from it
            floor = floors[0] - controls[0] if floors and controls else -math.inf
            if low < floor < high:  # else it would flatten the differences that the plot is there for
                axis.axhline(floor, color=GREY, linestyle=REFERENCES["floor"][2], linewidth=1.1, zorder=1)
                shown = ["dense_control", "floor"]
            axis.set_ylabel(wrapped(f"Δ {panel.label}"))
        self._finish(figure, title, self._legend(shown, False))
        return figure

    def _scratch(self, axis: Axes, name: str, column: str, look: Look) -> None:
        if self.rows["scratch"].empty or column not in self.rows["scratch"]:
            return
        points = self.points("scratch", name, column)
        axis.scatter(
            points["x"], points["mean"], marker="+", s=55, linewidths=1.7, color=look.colour, zorder=5, clip_on=False
        )

    def _smaller_inputs(self, axis: Axes, column: str) -> None:
        """The dense networks on smaller pictures, with the size beside each."""
        if self.smaller.empty or column not in self.smaller:
            return
        for (_, size), rows in self.smaller.groupby([self.smaller["model"].fillna(""), "input_size"]):
            x, y = rows["remaining"].mean(), rows[column].mean()
            axis.plot(x, y, "x", color=INK, markersize=6, markeredgewidth=1.6, zorder=5, clip_on=False)
            axis.annotate(
                f"{size:.0f}", (x, y), xytext=(0, -10), textcoords="offset points", ha="center", fontsize=7, color=INK
            )

    def _axes(self, panels: list[Panel]) -> tuple[Figure, list[Axes]]:
        figure, axes = panel_grid(len(panels), (2.55, 2.7), sharex=True)
        every = (*self.rows.values(), self.smaller)
        shares = [rows["remaining"].max() for rows in every if rows["remaining"].notna().any()]
        for panel, axis in zip(panels, axes, strict=True):
            axis.set_title(wrapped(panel.title, TITLE_LETTERS))
            share_axis(axis, max(shares), wrapped(left_text(self.table, self.options.cost)))
        return figure, axes

    def _finish(self, figure: Figure, title: str, handles: list[Line2D]) -> None:
        legend(figure, handles)
        titled(figure, title)

    def _legend(self, references: list[str], pruned: bool) -> list[Line2D]:
        handles = [entry(name, color=k.colour, marker=k.marker) for name, k in self.looks.items()]
        if pruned:
            handles.append(
                entry("right after pruning", color=INK, linestyle=(0, (4, 2)), marker="o", markerfacecolor="white")
            )
            handles.append(entry("after fine-tuning", color=INK, marker="o"))
            if self.several:
                label = "dense, same extra training" if self.levels("dense_control", "remaining") else "dense"
                handles.append(entry(label, color=INK, linestyle="", marker="*", markersize=9))
        if not self.rows["scratch"].empty:
            handles.append(
                entry(
                    "same network from scratch", color=INK, linestyle="", marker="+", markersize=8, markeredgewidth=1.7
                )
            )
        if not self.smaller.empty:
            text = "dense, on smaller pictures (px)"
            handles.append(entry(text, color=INK, linestyle="", marker="x", markersize=6, markeredgewidth=1.6))
        for stage in references:
            name, colour, dashes = REFERENCES[stage]
            handles.append(entry(name, color=colour, linestyle=dashes, linewidth=1.1))
        return handles
