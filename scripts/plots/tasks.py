"""All tasks on one axis: which one is the first to suffer."""

from __future__ import annotations

from curves import COSTS, PRIMARY, TASK_NAMES, final, labels, left, names, normalised, whole
from plots.bands import band, band_text, draw_band
from plots.drawn import Drawn, Options, Skip
from reading import Sweep
from style import GREY, INK, MARKERS, TASK_COLOURS, Look, entry, legend, pyplot, titled

_COLUMNS = 4


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Normalised quality of the four tasks against cost, a panel a curve.

    Raises:
        Skip: there is no finished run, no floor or no dense model.
    """
    ends = whole(final(sweep.table))
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    quality = normalised(sweep.table).loc[ends.index]
    share = left(sweep.table, options.cost).loc[ends.index]
    if quality.isna().all(axis=None):
        raise Skip("no quality can be normalised: a floor and a dense row of the same seed are needed")
    if share.isna().all():
        raise Skip(f"the table has no {COSTS[options.cost].column} of the pruned runs")
    curves, shown = names(sweep.table), labels(ends, ends)
    known = [task for task in PRIMARY if quality[task].notna().any()]
    columns = min(_COLUMNS, len(curves))
    lines = -(-len(curves) // columns)
    size = (max(4.6, 2.6 * columns + 0.4), 2.5 * lines + 1.1)
    figure, axes = pyplot.subplots(
        lines, columns, figsize=size, sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for axis in axes.flat[len(curves) :]:
        axis.set_visible(False)
    for name, axis in zip(curves, axes.flat, strict=False):
        axis.axhline(1, color=INK, linestyle=(0, (1, 1.5)), linewidth=1.1, zorder=1)
        axis.axhline(0, color=GREY, linestyle=(0, (5, 3)), linewidth=1.1, zorder=1)
        rows = ends[shown == name]
        for number, task in enumerate(known):
            points = band(rows, share, quality[task], options.band)
            draw_band(axis, points, Look(TASK_COLOURS[task], MARKERS[number]))
        axis.set_title(name)
        axis.set_xlabel(f"{COSTS[options.cost].name} left")
        axis.set_xlim(max(1.0, share.max()) + 0.03, 0)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axis.xaxis.set_tick_params(labelbottom=True)
    for axis in axes[:, 0]:
        axis.set_ylabel("normalised quality")
    handles = [
        entry(TASK_NAMES[task], color=TASK_COLOURS[task], marker=MARKERS[number]) for number, task in enumerate(known)
    ]
    handles.append(entry("dense = 1", color=INK, linestyle=(0, (1, 1.5)), linewidth=1.1))
    handles.append(entry("floor = 0", color=GREY, linestyle=(0, (5, 3)), linewidth=1.1))
    legend(figure, handles)
    titled(figure, f"{sweep.name}: which task suffers first")
    caption = (
        f"All tasks on one scale, after fine-tuning: 1 is the dense model, 0 what a trivial predictor gets. The line "
        f"that falls first is the task that pays first. {band_text(int(ends['seed'].nunique()), options)}"
    )
    return [Drawn("tasks", "All tasks on one axis", caption, figure)]
