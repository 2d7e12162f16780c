"""What pruning did to each task while the model trained: the history of a `pruning.TaskTracker`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.errors import UserError
from experiments.plots.elements.style import COLOURS, GREY, INK, MARKERS, axes_grid, entry, legend, titled

COLUMNS = ("step", "epoch", "event", "kind", "name", "measure", "value", "quality", "worst")
_MOST_PARTS = 6
_LINE = 0.1  # height of a label, of the panel's


def plot_history(path: Path | str, title: str = "Tasks while the model is pruned") -> Figure:
    """Draw a tracker's history: what is gone, what each task is worth beside dense, and each task's loss.

    Args:
        path: the CSV file that `pruning.TaskTracker(tasks, pruner, path)` wrote.
        title: of the figure.

    Returns:
        a matplotlib Figure: three panels over the updates. A vertical line is a cut; the strip below the middle panel
        says which task was worst.

    Raises:
        UserError: there is no such file, or it is no history.
    """
    table = _read(Path(path))
    shares = [1.0, 2.0, 1.3] if table["measure"].eq("loss").any() else [1.0, 2.0]
    figure, axes = axes_grid(len(shares), 1, (7.2, 1.4 + 1.35 * sum(shares)), sharex=True, height_ratios=shares)
    axes = axes[:, 0]
    tasks = list(table.loc[table["quality"].notna(), "name"].unique())
    looks = {task: (COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]) for n, task in enumerate(tasks)}
    cuts = sorted(table.loc[table["event"] == "pruned", "step"].unique())
    for axis in axes:
        for cut in cuts:
            axis.axvline(cut, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=1)
    _gone(axes[0], table)
    _quality(axes[1], table, looks)
    if len(axes) > 2:
        _losses(axes[2], table, looks)
    axes[-1].set_xlabel("update")
    handles = [entry(task, color=colour, marker=marker, markersize=4) for task, (colour, marker) in looks.items()]
    legend(figure, [*handles, entry("cut", color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))])
    titled(figure, title)
    return figure


def _read(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise UserError(f"{path}: no such history; pruning.TaskTracker(tasks, pruner, path) writes one")
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read as a history of tasks: {error}") from None
    if tuple(table.columns) != COLUMNS or table["quality"].isna().all():
        raise UserError(f"{path} is no history of tasks: expected the columns {', '.join(COLUMNS)}, and tasks in it")
    return table


def _gone(axis, table: pd.DataFrame) -> None:
    parts = table[(table["kind"] == "part") & (table["measure"] == "filters_gone")]
    last = {}
    for name in list(parts["name"].unique())[:_MOST_PARTS]:
        rows = parts[parts["name"] == name]
        axis.step(rows["step"], rows["value"], where="post", color=GREY, linewidth=0.9)
        last[name] = rows["value"].iloc[-1]
    height = -1.0
    for name, value in sorted(last.items(), key=lambda item: item[1]):
        height = max(value, height + _LINE)  # labels stand one above the other, not one upon the other
        axis.annotate(
            name, (parts["step"].max(), height), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7,
            color=GREY, annotation_clip=False,
        )  # fmt: skip
    total = table[(table["kind"] == "model") & (table["measure"] == "filters_gone")]
    axis.step(total["step"], total["value"], where="post", color=INK)
    axis.set_ylabel("filters gone")
    axis.set_ylim(0, 1)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _quality(axis, table: pd.DataFrame, looks: dict) -> None:
    rows = table[table["quality"].notna()]
    for task, (colour, marker) in looks.items():
        mine = rows[rows["name"] == task]
        axis.plot(mine["step"], mine["quality"], color=colour, linewidth=1.4, zorder=3)
        for event, face in (("epoch", colour), ("pruned", "white")):
            some = mine[mine["event"] == event]
            axis.plot(
                some["step"], some["quality"], color=colour, marker=marker, markerfacecolor=face, linestyle="none",
                markersize=4, zorder=4,
            )  # fmt: skip
    axis.axhline(1.0, color=INK, linewidth=0.8, zorder=2)
    low = min(0.0, rows["quality"].min()) if rows["quality"].min() < 0.4 else rows["quality"].min() - 0.1
    axis.set_ylim(low - 0.05, max(1.05, rows["quality"].max() + 0.03))
    axis.set_ylabel("quality (1: dense)\nhollow: right after a cut")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    # Who is worst, from record to record, as a strip at the bottom.
    worst = rows[rows["worst"] == 1].drop_duplicates("step", keep="last")
    steps = sorted(rows["step"].unique())
    following = dict(zip(steps, [*steps[1:], steps[-1]], strict=True))
    for begin, task in zip(worst["step"], worst["name"], strict=True):
        axis.axvspan(begin, following[begin], ymin=0, ymax=0.035, color=looks[task][0], linewidth=0, zorder=2)
    if len(worst):
        axis.annotate(
            "worst", (0, 0.045), xycoords="axes fraction", xytext=(3, 0), textcoords="offset points", fontsize=7,
            color=GREY,
        )  # fmt: skip


def _losses(axis, table: pd.DataFrame, looks: dict) -> None:
    rows = table[(table["kind"] == "task") & (table["measure"] == "loss")]
    for task, (colour, _) in looks.items():
        mine = rows[rows["name"] == task]
        if len(mine):
            axis.plot(mine["step"], mine["value"] / mine["value"].iloc[0], color=colour, linewidth=1.2)
    axis.axhline(1.0, color=INK, linewidth=0.8)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:g}"[0] in "25" else "")
    axis.set_ylabel("loss / dense")
