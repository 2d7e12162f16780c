"""Budgets by task as pictures and a page: asked against held, and how each search went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.plots.elements.style import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    axes_grid,
    entry,
    legend,
    panel_grid,
    save,
    titled,
)
from experiments.runs.run_folder import write_text
from experiments.studies.study_rows import as_markdown, mean_and_spread

_SUFFIX = {"quality": "%", "percent": "%", "points": "", "absolute": ""}
_NAMES = {"quality": "quality", "percent": "percent of the measure", "points": "points", "absolute": "the measure"}
_MOST_SEARCHES = 4  # in the picture of the history


def budget_pages(folder: Path, titles: Mapping[str, str] | None = None) -> list[Path]:
    """budgets.png, budget_history.png, the same as .svg, and budgets.md from the study's tables; returns their paths.

    Args:
        folder: of the study.
        titles: task -> its title; the tasks' own names if None.
    """
    table, tasks, trials = (
        pd.read_csv(folder / f"{name}.csv") for name in ("budgets", "budget_tasks", "budget_trials")
    )
    unit = str(table["unit"].iloc[0]) if "unit" in table else "quality"
    drops = [name for name in ("drop_tune", "drop_test", "bound_test") if name in table]
    page = mean_and_spread(table, ["tasks", "allowed"], ["saved", *drops]).replace("nan", "")
    grouped = table.groupby(["tasks", "allowed"], sort=False)
    for name, head in (("held_test", "held on test"), ("held_surely", "held by the 95 % bound")):
        if name in table:
            page[head] = grouped[name].agg(lambda part: f"{int(part.sum())} of {len(part)}").values
    if "binding" in table:
        page["bound by (seed by seed)"] = grouped["binding"].agg(lambda part: ", ".join(part.dropna())).values
    parts = [as_markdown(page), f"Drops of the worst task, in {_NAMES[unit]}.", as_markdown(_by_task(tasks))]
    parts += ["Trial by trial, on the tune split:", as_markdown(_by_trial(trials))]
    write_text(folder / "budgets.md", "\n\n".join(parts) + "\n")
    history = _history(table, tasks, trials, dict(titles or {}))
    pictures = save(_asked_and_held(table, unit), folder, "budgets") + save(history, folder, "budget_history")
    return [*pictures, folder / "budgets.md"]


def _by_task(tasks: pd.DataFrame) -> pd.DataFrame:
    """Every search and task: asked, the surrogate's rise of its loss, what it lost, and whether it bound."""
    rows = []
    for row in tasks.to_dict("records"):
        found = {"seed": row["seed"], "budget of": row["tasks"], "task": row["task"], "judged by": row.get("measure")}
        found |= {"asked": f"{row['allowed']:g}", "MACs saved": f"{row['saved']:.1%}"}
        for name, head, form in (
            ("surrogate_rise", "loss before fine-tuning", "{:+.0%}"), ("stopped_groups", "groups it stopped", "{:.0f}"),
            ("drop_tune", "lost on tune", "{:+.2f}"), ("drop_test", "lost on test", "{:+.2f}"),
            ("bound_test", "95 % bound on test", "{:+.2f}"),
        ):  # fmt: skip
            value = row.get(name)
            found[head] = "" if value is None or pd.isna(value) else form.format(value)
        binding = [on for on, by in (("tune", "binding"), ("test", "binding_test")) if row.get(by) == row["task"]]
        found["binds on"] = ", ".join(binding)
        rows.append(found)
    return pd.DataFrame(rows)


def _by_trial(trials: pd.DataFrame) -> pd.DataFrame:
    """Every trial: the rise of losses that it allowed, what that saved, what each task lost, and which one bound."""
    lost = [name for name in trials if name.endswith("_drop")]
    rows = []
    for row in trials.to_dict("records"):
        found = {"seed": row["seed"], "budget of": row["tasks"], "asked": f"{row['allowed']:g}", "trial": row["trial"]}
        found |= {"losses may rise": f"{row['rise']:.0%}", "MACs saved": f"{row['saved']:.1%}"}
        drops = {f"{name.removesuffix('_drop')} lost": row[name] for name in lost}
        found |= {name: "" if pd.isna(drop) else f"{drop:+.2f}" for name, drop in drops.items()}
        rows.append(found | {"binds": row.get("binding", ""), "held": "yes" if row["held"] else "no"})
    return pd.DataFrame(rows)


def _looks(names: list[str]) -> dict[str, tuple[str, str]]:
    return {name: (COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]) for n, name in enumerate(names)}


def _asked_and_held(table: pd.DataFrame, unit: str) -> Figure:
    """Two panels over what was asked: the worst task's drop, and what was saved."""
    figure, axes = panel_grid(2, (3.6, 3.0))
    names = list(dict.fromkeys(table["tasks"]))
    looks = _looks(names)
    most, suffix = table["allowed"].max() * 1.1, _SUFFIX[unit]
    axes[0].plot([0, most], [0, most], color=INK, linewidth=0.9)
    axes[0].annotate("not held", (0.03, 0.93), xycoords="axes fraction", color=GREY, fontsize=8)
    bounds = "bound_test" in table and table["bound_test"].notna().any()
    for number, name in enumerate(names):
        mine, (colour, marker) = table[table["tasks"] == name], looks[name]
        aside = mine["allowed"] * (1 + 0.035 * (number - (len(names) - 1) / 2))  # equal budgets stand side by side
        if "drop_test" in mine:
            axes[0].plot(aside, mine["drop_test"], linestyle="none", marker=marker, color=colour, markersize=4)
            axes[0].plot(
                aside, mine["drop_tune"], linestyle="none", marker=marker, markeredgecolor=colour,
                markerfacecolor="white", markersize=4,
            )  # fmt: skip
        if bounds:
            axes[0].vlines(aside, mine["drop_test"], mine["bound_test"], color=colour, linewidth=0.9)
        means = mine.groupby("allowed")["saved"].agg(["mean", "min", "max"])
        axes[1].plot(means.index, means["mean"], color=colour, marker=marker, markersize=4)
        axes[1].fill_between(means.index, means["min"], means["max"], color=colour, alpha=0.1, linewidth=0)
    asked = f"asked: {_NAMES[unit]} that may go"
    axes[0].set(xlabel=asked, ylabel="worst task's drop")
    axes[1].set(xlabel=asked, ylabel="MACs saved", ylim=(0, 1))
    axes[1].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    for axis in (axes[0].xaxis, axes[1].xaxis, axes[0].yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}{suffix}")
    handles = [
        entry("every task counts" if name == "all" else f"{name} alone counts", color=colour, marker=marker)
        for name, (colour, marker) in looks.items()
    ]
    hollow = entry("on tune, where it was chosen", color=GREY, marker="o", markerfacecolor="white", linestyle="none")
    handles += [entry("on test", color=GREY, marker="o", linestyle="none"), hollow]
    legend(figure, handles + [entry("up to its 95 % bound", color=GREY, linewidth=0.9)] * bool(bounds))
    titled(figure, "Budgets by task: asked, and held")
    return figure


def _history(table: pd.DataFrame, tasks: pd.DataFrame, trials: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """A row a search, of the first seed: the rise of losses that was tried, what it saved, and what each task lost."""
    who, seed = table["tasks"].iloc[0], table["seed"].iloc[0]
    budgets = [a for a in dict.fromkeys(table["allowed"])][:_MOST_SEARCHES]
    figure, axes = axes_grid(len(budgets), 3, (9.0, 0.9 + 2.2 * len(budgets)), width_ratios=(1, 1, 1.7))
    names = list(dict.fromkeys(tasks.loc[tasks["tasks"] == who, "task"]))
    looks = _looks(names)
    for (rise, saved, lost), allowed in zip(axes, budgets, strict=True):
        key = (trials["tasks"] == who) & (trials["seed"] == seed) & (trials["allowed"] == allowed)
        mine = trials[key].sort_values("trial")
        ends = tasks[(tasks["tasks"] == who) & (tasks["seed"] == seed) & (tasks["allowed"] == allowed)]
        held = mine["held"].astype(bool)
        for axis, column in ((rise, "rise"), (saved, "saved")):
            axis.plot(mine["trial"], mine[column], color=GREY, linewidth=1.0, zorder=2)
            for some, face in ((held, INK), (~held, "white")):
                axis.plot(
                    mine.loc[some, "trial"], mine.loc[some, column], linestyle="none", marker="o", color=INK,
                    markerfacecolor=face, markersize=5, zorder=3,
                )  # fmt: skip
        rise.set(yscale="log", ylabel=f"allowed {allowed:g}\nlosses may rise")
        for which in (rise.yaxis.set_major_formatter, rise.yaxis.set_minor_formatter):
            which(lambda value, _: f"{value:.0%}" if f"{value:g}".strip("0.")[:1] in "125" else "")
        saved.set(ylabel="MACs saved", ylim=(0, 1))
        saved.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        _lost(lost, mine, ends, looks, float(allowed))
        for axis in (rise, saved):
            axis.set_xticks(mine["trial"])
            axis.set_xlabel("trial")
    handles = [entry(titles.get(name, name), color=c, marker=m) for name, (c, m) in looks.items()]
    handles += [
        entry("held", color=INK, marker="o", linestyle="none"),
        entry("not held", color=INK, marker="o", markerfacecolor="white", linestyle="none"),
        entry("asked", color=INK, linewidth=0.9),
    ]
    if "bound_test" in ends and ends["bound_test"].notna().any():
        handles.append(entry("95 % bound on test", color=GREY, linewidth=1.2))
    legend(figure, handles)
    titled(figure, f"Search under a budget: trial by trial, seed {seed}")
    return figure


def _lost(axis, trials: pd.DataFrame, ends: pd.DataFrame, looks: dict, allowed: float) -> None:
    """What each task lost in each trial, on tune; and of the trial that was chosen, on test."""
    last = int(trials["trial"].max())
    place, values = last + 1.2, [allowed, 0.0]
    chosen = "drop_test" in ends and ends["drop_test"].notna().any()
    for number, (task, (colour, marker)) in enumerate(looks.items()):
        drops = trials.get(f"{task}_drop")
        if drops is not None:
            axis.plot(trials["trial"], drops, color=colour, marker=marker, markersize=4, linewidth=1.2)
            values += drops.dropna().tolist()
        row = ends[ends["task"] == task]
        if len(row) and "drop_test" in row and row["drop_test"].notna().all():
            x = place + 0.16 * (number - (len(looks) - 1) / 2)
            drop, bound = float(row["drop_test"].iloc[0]), float(row.get("bound_test", pd.Series([np.nan])).iloc[0])
            axis.plot([x], [drop], color=colour, marker=marker, markersize=5, linestyle="none")
            axis.plot([x, x], [drop, bound], color=colour, linewidth=1.2)
            values += [drop, *([bound] if np.isfinite(bound) else [])]
    axis.axhline(allowed, color=INK, linewidth=0.9)
    axis.axhline(0, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)))
    axis.set_xticks(trials["trial"])
    if chosen:
        axis.axvline(last + 0.6, color=GREY, linewidth=0.6)
        axis.set_xticks([*trials["trial"], place], [*(f"{n}" for n in trials["trial"]), "best,\non test"])
        axis.set_xlim(right=place + 0.5)
    else:
        axis.annotate("no trial held", (0.97, 0.93), xycoords="axes fraction", ha="right", color=GREY, fontsize=8)
    # Dead tasks lose so much that the budget would be a line on the floor.
    least, most = min(values), max(values)
    if most > 12 * allowed > 0:
        axis.set_yscale("symlog", linthresh=2 * allowed)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_ylim(least - 0.3 * allowed if least < 0 else -0.3 * allowed, most * 1.1)
    axis.set(xlabel="trial, on tune", ylabel="lost by task")
