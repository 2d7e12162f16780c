"""Does the drop right after pruning foretell the drop after fine-tuning?"""

from __future__ import annotations

import math

import pandas as pd
from scipy import stats

from curves import PRIMARY, TASK_NAMES, final, is_random, labels, names, whole
from plots.drawn import Drawn, Options, Skip
from plots.parts import change
from reading import Sweep
from style import GREY, INK, entry, legend, looks, pyplot, titled

_STAGES = {"pruned": "right after pruning", "recalibrated": "after recalibration"}


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Early against final drop of every run, a panel a task, with their rank correlation.

    Raises:
        Skip: fewer than three runs have both.
    """
    table = sweep.table
    table = table[~table["run"].isin(set(table["run"]) - set(whole(table)["run"]))]
    early = {stage: pairs(table, stage) for stage in _STAGES}
    early = {stage: rows for stage, rows in early.items() if any(len(points_of(rows, task)) >= 3 for task in PRIMARY)}
    tasks = [task for task in PRIMARY if all(len(points_of(rows, task)) >= 3 for rows in early.values())]
    if not early or not tasks:
        raise Skip("fewer than three runs have a row right after pruning and one after fine-tuning")
    ends = final(table)
    shown, curves = labels(ends, ends), names(table)
    styled = looks(curves, next((name for name in curves if is_random(name)), None))
    size = (2.55 * len(tasks) + 0.3, 2.75 * len(early) + 0.6)
    figure, axes = pyplot.subplots(len(early), len(tasks), figsize=size, layout="constrained", squeeze=False)
    for line, (stage, rows) in zip(axes, early.items(), strict=True):
        for axis, task in zip(line, tasks, strict=True):
            points = points_of(rows, task)
            ratios = ends["asked"].loc[points.index]
            for name, look in styled.items():
                part = points[shown.loc[points.index] == name]
                axis.plot(
                    part["early"], part["final"], look.marker, color=look.colour, markerfacecolor="none", markersize=4
                )
            low = min(0.0, points.min(axis=None))
            axis.plot([low, 0], [low, 0], color=GREY, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
            axis.set_title(TASK_NAMES[task].capitalize())
            lowest = points["final"].min()
            axis.set_ylim(bottom=lowest - 0.3 * (max(0.0, points["final"].max()) - lowest))
            text = {"fontsize": 8, "color": INK, "va": "bottom", "ha": "right", "transform": axis.transAxes}
            white = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1}
            axis.text(0.98, 0.03, correlation_text(points, ratios), bbox=white, **text)
            axis.set_xlabel(f"change {_STAGES[stage]}")
        line[0].set_ylabel("change after fine-tuning")
    handles = [
        entry(name, color=k.colour, marker=k.marker, markerfacecolor="none", linestyle="") for name, k in styled.items()
    ]
    handles.append(entry("no recovery", color=GREY, linewidth=0.9, linestyle=(0, (1, 1.5))))
    legend(figure, handles)
    titled(figure, f"{sweep.name}: does the early drop foretell the final one?")
    caption = (
        "A point is a run. Across: the change of the task's normalised quality right after pruning; up: after "
        "fine-tuning. Spearman's rank correlation near 1 means that the early figure ranks runs as the final one "
        "does. Much of it comes from the ratios alone, which order the runs in both: the figure within a ratio "
        "says whether the early drop tells methods and seeds apart."
    )
    return [Drawn("prediction", "Early against final drop", caption, figure)]


def points_of(rows: pd.DataFrame, task: str) -> pd.DataFrame:
    """The two changes of a task, of the runs that have both."""
    return pd.DataFrame({"early": rows[f"early_{task}"], "final": rows[f"final_{task}"]}).dropna()


def pairs(table: pd.DataFrame, stage: str) -> pd.DataFrame:
    """The change of every task at an early stage and at the end of the same run.

    Returns:
        index: of the final rows; columns early_<task> and final_<task>; runs that have both.
    """
    changes, ends = change(table), final(table)
    ends = ends[ends["stage"].isin(["finetuned", "removed"])]
    rows = table[(table["stage"] == stage) & table["run"].isin(ends["run"])].drop_duplicates("run", keep="last")
    ends = ends[ends["run"].isin(rows["run"])]
    early = changes.loc[rows.index].set_axis(rows["run"]).loc[ends["run"]].set_axis(ends.index)
    found = pd.concat([early.add_prefix("early_"), changes.loc[ends.index].add_prefix("final_")], axis=1)
    return found.dropna(how="all")


def correlation(points: pd.DataFrame) -> float:
    """Spearman's rank correlation of two columns; NaN of fewer than three rows, or where one does not vary."""
    if len(points) < 3 or points.nunique().min() < 2:
        return math.nan
    return float(stats.spearmanr(points.iloc[:, 0], points.iloc[:, 1]).statistic)


def correlation_within(points: pd.DataFrame, ratios: pd.Series) -> float:
    """Mean of the rank correlations among the runs of one ratio, weighted by their number; NaN if there is none."""
    found = [(correlation(part), len(part)) for _, part in points.groupby(ratios)]
    found = [(rho, count) for rho, count in found if not math.isnan(rho)]
    total = sum(count for _, count in found)
    return sum(rho * count for rho, count in found) / total if total else math.nan


def correlation_text(points: pd.DataFrame, ratios: pd.Series) -> str:
    """Both rank correlations in words; none is made up where there are too few different values."""
    overall, within = correlation(points), correlation_within(points, ratios)
    lines = [f"{len(points)} runs"]
    if not math.isnan(overall):
        lines.append(f"rank correlation {overall:.2f}")
    if not math.isnan(within) and ratios.nunique() > 1:
        lines.append(f"within a ratio {within:.2f}")
    return "\n".join(lines)
