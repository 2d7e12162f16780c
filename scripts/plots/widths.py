"""How wide each layer still is."""

from __future__ import annotations

from matplotlib.axes import Axes

import pruning
from curves import final, labels, names, percent, whole
from plots.drawn import Drawn, Options, Skip, one_ratio, one_seed
from plots.network import in_order, part_colour, part_of
from reading import Sweep
from style import GREY, INK, legend, pyplot, titled

_PER_FIGURE = 4


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Channels that each group keeps, the dense width behind, a column a curve, at one ratio of one seed.

    Raises:
        Skip: no run at the ratio has a plan.json.
    """
    ends = whole(final(sweep.table))
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    ratio = one_ratio(ends, options)
    seed = one_seed(ends[ends["asked"] == ratio], options)
    rows = ends[(ends["asked"] == ratio) & (ends["seed"] == seed)].assign(curve=labels(ends, ends))
    rows = rows.drop_duplicates("curve").set_index("curve")
    found_plans = {name: sweep.plan(rows.loc[name, "run"]) for name in names(sweep.table) if name in rows.index}
    plans = {name: plan for name, plan in found_plans.items() if plan is not None}
    if not plans:
        raise Skip(f"no run at {percent(ratio)} of seed {seed} has a plan.json")
    caption = (
        f"Channels of every group of coupled layers at {percent(ratio)}, seed {seed}: the bar is what is kept, the "
        "outline the dense width, the figures kept of all. Groups of a part have the same colour."
    )
    names_of = list(plans)
    found = []
    for first in range(0, len(plans), _PER_FIGURE):
        chosen = {name: plans[name] for name in names_of[first : first + _PER_FIGURE]}
        number = f"_{first // _PER_FIGURE + 1}" if len(plans) > _PER_FIGURE else ""
        figure = _figure(f"{sweep.name}: widths by layer, {percent(ratio)} pruned, seed {seed}", chosen)
        found.append(Drawn(f"widths{number}", "Widths by layer", caption, figure))
    return found


def _figure(title: str, plans: dict[str, pruning.Plan]):
    groups = list(dict.fromkeys(group for plan in plans.values() for group in plan.sizes))
    parts = in_order(part_of(group) for group in groups)
    groups.sort(key=lambda group: parts.index(part_of(group)))
    places = [number + 0.7 * parts.index(part_of(group)) for number, group in enumerate(groups)]
    size = (2.1 * len(plans) + 2.2, 0.19 * places[-1] + 1.2)
    figure, axes = pyplot.subplots(1, len(plans), figsize=size, sharey=True, layout="constrained", squeeze=False)
    for axis, (name, plan) in zip(axes[0], plans.items(), strict=True):
        _column(axis, plan, groups, places, parts)
        axis.set_title(name)
    axes[0, 0].set_yticks(places, [group.partition("/")[2] or group for group in groups], fontsize=8)
    axes[0, 0].invert_yaxis()
    axes[0, 0].margins(y=0.01)
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=part_colour(part, parts), label=part) for part in parts]
    handles.append(pyplot.Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=GREY, label="dense"))
    legend(figure, handles)
    titled(figure, title)
    return figure


def _column(axis: Axes, plan: pruning.Plan, groups: list[str], places: list[float], parts: list[str]) -> None:
    widest = max(plan.sizes.values())
    for group, place in zip(groups, places, strict=True):
        if group not in plan.sizes:
            continue
        size = plan.sizes[group]
        kept = size - len(plan.removed.get(group, ()))
        colour = part_colour(part_of(group), parts)
        axis.barh(place, size, 0.78, facecolor="white", edgecolor=GREY, linewidth=0.7, zorder=2)
        axis.barh(place, kept, 0.78, color=colour, zorder=3)
        axis.text(size + 0.02 * widest, place, f"{kept} / {size}", va="center", fontsize=7, color=INK)
    axis.set_xlim(0, 1.34 * widest)
    axis.set_xlabel("channels")
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
