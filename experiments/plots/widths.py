"""How wide each layer still is."""

from __future__ import annotations

import functools

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments.declaration import Declaration
from experiments.plots.elements.drawn import Drawn, Options, Skip, one_amount, one_seed
from experiments.plots.elements.style import (
    GREY,
    INK,
    TITLE_LETTERS,
    axes_grid,
    legend,
    part_colours,
    parts_of,
    titled,
    wrapped,
)
from experiments.table.sweep_data import Sweep, Widths
from experiments.table.task_curves import labels, names, several_models, whole_network_ends

_PER_FIGURE = 4


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Channels that each group keeps, the dense width behind, a column a curve, at one ratio of one seed.

    Raises:
        Skip: no run at the ratio has a plan.json.
    """
    ends = whole_network_ends(sweep.table)
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    amount = one_amount(ends, options)
    seed = one_seed(amount.of(ends), options)
    rows = amount.of(ends[ends["seed"] == seed]).assign(curve=labels(ends, ends))
    rows = rows.drop_duplicates("curve").set_index("curve")
    found_plans = {name: sweep.plan(rows.loc[name, "run"]) for name in names(sweep.table) if name in rows.index}
    plans = {name: plan for name, plan in found_plans.items() if plan is not None}
    if not plans:
        raise Skip(f"no run {amount.at} of seed {seed} has a plan.json")
    caption = (
        f"Channels of every group of coupled layers, {amount.pruned}, seed {seed}: the bar is what is kept, the "
        "outline the dense width, the figures kept of all. Groups of a part have the same colour."
    )
    title = f"{sweep.name}: widths by layer, {amount.pruned}, seed {seed}"
    figures = _figures(rows["model"].to_dict() if several_models(sweep.table) else {}, list(plans))
    return [
        Drawn(
            f"widths{suffix}", "Widths by layer", caption,
            functools.partial(_figure, title, {name: plans[name] for name in chosen}, sweep.problem),
        )  # fmt: skip
        for suffix, chosen in figures.items()
    ]


def _figures(model_of: dict[str, str], curves: list[str]) -> dict[str, list[str]]:
    """Suffix of each figure's name -> its curves: some beside each other; of models with layers of their own, one."""
    if model_of:
        models = dict.fromkeys(model_of[curve] for curve in curves)
        return {f"_{model}": [curve for curve in curves if model_of[curve] == model] for model in models}
    numbered = range(0, len(curves), _PER_FIGURE)
    several = len(curves) > _PER_FIGURE
    return {f"_{n // _PER_FIGURE + 1}" if several else "": curves[n : n + _PER_FIGURE] for n in numbered}


def _figure(title: str, plans: dict[str, Widths], problem: Declaration) -> Figure:
    part_of = parts_of([group for plan in plans.values() for group in plan.sizes], problem)
    parts = list(dict.fromkeys(part_of.values()))
    colours = part_colours(parts, problem)
    places = {group: number + 0.7 * parts.index(part) for number, (group, part) in enumerate(part_of.items())}
    size = (max(4.6, 2.1 * len(plans) + 2.2), max(2.1, 0.19 * max(places.values()) + 1.2))
    figure, axes = axes_grid(1, len(plans), size, sharey=True)
    for axis, (name, plan) in zip(axes[0], plans.items(), strict=True):
        _column(axis, plan, places, {group: colours[part] for group, part in part_of.items()})
        axis.set_title(wrapped(name, TITLE_LETTERS))
    axes[0, 0].set_yticks(list(places.values()), [group.partition("/")[2] or group for group in places], fontsize=8)
    axes[0, 0].invert_yaxis()
    axes[0, 0].margins(y=0.01)
    handles = [Rectangle((0, 0), 1, 1, color=colours[part], label=part) for part in parts]
    handles.append(Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=GREY, label="dense"))
    legend(figure, handles)
    titled(figure, title)
    return figure


def _column(axis: Axes, plan: Widths, places: dict[str, float], colours: dict[str, str]) -> None:
    widest = max(plan.sizes.values())
    for group, size in plan.sizes.items():
        place, kept = places[group], size - len(plan.removed.get(group, ()))
        axis.barh(place, size, 0.78, facecolor="white", edgecolor=GREY, linewidth=0.7, zorder=2)
        axis.barh(place, kept, 0.78, color=colours[group], zorder=3)
        axis.text(size + 0.02 * widest, place, f"{kept} / {size}", va="center", fontsize=7, color=INK)
    axis.set_xlim(0, 1.34 * widest)
    axis.set_xlabel("channels")
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
