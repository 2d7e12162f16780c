"""When channels went, at which learning rate, and what the losses did."""

from __future__ import annotations

import functools

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.declaration import Declaration
from experiments.plots.elements.drawn import Drawn, Options, Skip, one_amount, one_seed
from experiments.plots.elements.style import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    TITLE_LETTERS,
    axes_grid,
    entry,
    legend,
    titled,
    wrapped,
)
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import labels, models_by_size, names, several_models, whole_network_ends

_PER_FIGURE = 4
_NO_LOSSES = ("step", "stage", "learning_rate", "sparsity", "loss")  # `loss` is the sum of the others


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Sparsity, learning rate and losses over the updates: of the dense model and of a run a curve.

    Raises:
        Skip: no such run has a history.csv of two lines or more.
    """
    table = sweep.table
    seed = one_seed(table, options)
    dense = table[(table["stage"] == "dense") & (table["seed"] == seed)]
    chosen = {"dense": list(dense["run"])}
    if several_models(table):
        chosen = {f"{model}, dense": list(dense.loc[dense["model"] == model, "run"]) for model in models_by_size(table)}
    ends = whole_network_ends(table)
    if len(ends):
        amount = one_amount(ends, options)
        rows = amount.of(ends[ends["seed"] == seed]).assign(curve=labels(ends, ends))
        chosen |= {f"{name}, {amount}": list(rows.loc[rows["curve"] == name, "run"]) for name in names(table)}
    read = {name: sweep.history(runs[0]) for name, runs in chosen.items() if runs}
    histories = {name: history for name, history in read.items() if history is not None and len(history) > 1}
    titles = loss_titles(histories, sweep.problem)
    histories = {name: history for name, history in histories.items() if _known(history, titles)}
    if not histories:
        raise Skip(f"no run of seed {seed} has a history.csv with losses of two epochs or more")
    losses = f"the {len(titles)} losses of training" if len(titles) > 1 else "the loss of training"
    caption = (
        f"Of seed {seed}: the share of channels that is gone, the learning rate, and {losses}, "
        "epoch by epoch. Losses of training are means over what the samplers drew; they rank no method."
    )
    found = []
    for first in range(0, len(histories), _PER_FIGURE):
        part = dict(list(histories.items())[first : first + _PER_FIGURE])
        number = f"_{first // _PER_FIGURE + 1}" if len(histories) > _PER_FIGURE else ""
        draw = functools.partial(_figure, f"{sweep.name}: schedules and losses, seed {seed}", part, titles)
        found.append(Drawn(f"schedule{number}", "Schedules and losses", caption, draw))
    return found


def loss_titles(histories: dict[str, pd.DataFrame], problem: Declaration) -> dict[str, str]:
    """Column -> title of the losses that histories have: those that the problem names, else all, the sum left out."""
    columns = list(dict.fromkeys(column for history in histories.values() for column in history))
    if problem.loss_titles:
        return {name: title for name, title in problem.loss_titles.items() if name in columns}
    parts = [name for name in columns if name not in _NO_LOSSES and "loss" in name]
    return {name: name.replace("_", " ") for name in parts or columns if "loss" in name}


def _known(history: pd.DataFrame, titles: dict[str, str]) -> list[str]:
    return [name for name in titles if name in history and history[name].notna().any()]


def _figure(title: str, histories: dict[str, pd.DataFrame], titles: dict[str, str]) -> Figure:
    looks = {loss: (COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]) for n, loss in enumerate(titles)}
    size = (max(4.6, 2.6 * len(histories) + 0.5), 5.4)
    options = {"sharex": "col", "sharey": "row", "height_ratios": (1, 1, 2.2)}
    figure, axes = axes_grid(3, len(histories), size, **options)
    for (name, history), column in zip(histories.items(), axes.T, strict=True):
        history = history.sort_values("step")
        dots = {"marker": ".", "markersize": 4} if len(history) < 40 else {}
        sparsity = history["sparsity"].fillna(0) if "sparsity" in history else 0 * history["step"]
        column[0].plot(history["step"], sparsity, color=INK, **dots)
        if "learning_rate" in history:
            column[1].plot(history["step"], history["learning_rate"], color=INK, **dots)
        for loss in _known(history, titles):
            colour, marker = looks[loss]
            marked = {"marker": marker, "markersize": 3} if dots else {}
            column[2].plot(history["step"], history[loss], color=colour, linewidth=1.3, **marked)
        column[0].set_title(wrapped(name, TITLE_LETTERS))
        column[2].set_xlabel("update")
    axes[0, 0].set_ylabel("sparsity")
    axes[0, 0].set_ylim(-0.03, 1)
    axes[0, 0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[1, 0].set_ylabel("learning rate")
    axes[1, 0].set_ylim(bottom=0)
    axes[2, 0].set_ylabel("loss (logarithmic)")
    axes[2, 0].set_yscale("log")
    axes[2, 0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[2, 0].yaxis.set_major_formatter("{x:g}")
    axes[2, 0].yaxis.set_minor_formatter(NullFormatter())
    shown = dict.fromkeys(loss for history in histories.values() for loss in _known(history, titles))
    handles = [entry(titles[loss], color=looks[loss][0], marker=looks[loss][1], markersize=4) for loss in shown]
    legend(figure, handles)
    for axis in axes[:, 1:].flat:
        axis.tick_params(axis="y", colors=GREY)
    titled(figure, title)
    return figure
