"""When channels went, at which learning rate, and what the losses did."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter

from curves import final, labels, names, percent, whole
from plots.drawn import Drawn, Options, Skip, one_ratio, one_seed
from reading import Sweep
from style import COLOURS, GREY, INK, MARKERS, entry, legend, pyplot, titled

_LOSSES = {
    "rpn_class_loss": "proposals: object or not",
    "rpn_bbox_loss": "proposals: boxes",
    "mrcnn_class_loss": "classes",
    "mrcnn_bbox_loss": "boxes",
    "mrcnn_mask_loss": "masks",
}
_PER_FIGURE = 4


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Sparsity, learning rate and losses over the updates: of the dense model and of a run a curve.

    Raises:
        Skip: no such run has a history.csv of two lines or more.
    """
    table = sweep.table
    seed = one_seed(table, options)
    chosen = {"dense": list(table.loc[(table["stage"] == "dense") & (table["seed"] == seed), "run"])}
    ends = whole(final(table))
    if len(ends):
        ratio = one_ratio(ends, options)
        rows = ends[(ends["asked"] == ratio) & (ends["seed"] == seed)].assign(curve=labels(ends, ends))
        chosen |= {f"{name}, {percent(ratio)}": list(rows.loc[rows["curve"] == name, "run"]) for name in names(table)}
    histories = {name: sweep.history(runs[0]) for name, runs in chosen.items() if runs}
    histories = {n: h for n, h in histories.items() if h is not None and len(h) > 1 and _losses(h)}
    if not histories:
        raise Skip(f"no run of seed {seed} has a history.csv with losses of two epochs or more")
    caption = (
        f"Of seed {seed}: the share of channels that is gone, the learning rate, and the five losses of training, "
        "epoch by epoch. Losses of training are means over what the samplers drew; they rank no method."
    )
    found = []
    for first in range(0, len(histories), _PER_FIGURE):
        part = dict(list(histories.items())[first : first + _PER_FIGURE])
        number = f"_{first // _PER_FIGURE + 1}" if len(histories) > _PER_FIGURE else ""
        figure = _figure(f"{sweep.name}: schedules and losses, seed {seed}", part)
        found.append(Drawn(f"schedule{number}", "Schedules and losses", caption, figure))
    return found


def _losses(history: pd.DataFrame) -> list[str]:
    return [name for name in _LOSSES if name in history and history[name].notna().any()]


def _figure(title: str, histories: dict[str, pd.DataFrame]):
    size = (max(4.6, 2.6 * len(histories) + 0.5), 5.4)
    figure, axes = pyplot.subplots(
        3,
        len(histories),
        figsize=size,
        layout="constrained",
        squeeze=False,
        sharex="col",
        sharey="row",
        height_ratios=(1, 1, 2.2),
    )
    for (name, history), column in zip(histories.items(), axes.T, strict=True):
        history = history.sort_values("step")
        dots = {"marker": ".", "markersize": 4} if len(history) < 40 else {}
        sparsity = history["sparsity"].fillna(0) if "sparsity" in history else 0 * history["step"]
        column[0].plot(history["step"], sparsity, color=INK, **dots)
        if "learning_rate" in history:
            column[1].plot(history["step"], history["learning_rate"], color=INK, **dots)
        for loss in _losses(history):
            number = list(_LOSSES).index(loss)
            column[2].plot(
                history["step"],
                history[loss],
                color=COLOURS[number],
                linewidth=1.3,
                **({"marker": MARKERS[number], "markersize": 3} if dots else {}),
            )
        column[0].set_title(name)
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
    shown = dict.fromkeys(loss for history in histories.values() for loss in _losses(history))
    numbers = {loss: list(_LOSSES).index(loss) for loss in shown}
    handles = [entry(_LOSSES[loss], color=COLOURS[i], marker=MARKERS[i], markersize=4) for loss, i in numbers.items()]
    legend(figure, handles)
    for axis in axes[:, 1:].flat:
        axis.tick_params(axis="y", colors=GREY)
    titled(figure, title)
    return figure
