"""The same examples, as the dense network sees them and as pruned ones do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from matplotlib.figure import Figure

from experiments.errors import UserError
from experiments.plots.elements.drawn import Drawn, Options, Skip, one_ratio, one_seed
from experiments.plots.elements.style import INK, axes_grid, titled
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import labels, names, percent, remaining, whole_network_ends

_MOST = 4  # networks beside the truth


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """The truth, and what the dense and pruned networks make of it, a row an example.

    Raises:
        Skip: a saved model, the recipe or the examples are not there, or the problem shows none.
    """
    paths = models(sweep, options)
    credit = _credit(sweep)
    may_be_shown = not sweep.problem.photographs or bool(credit)
    photographs = may_be_shown if options.photo is None else options.photo

    def draw() -> Figure:
        # The network is imported only where it is asked for.
        from experiments.runs import tensorflow_setup  # noqa: F401  # isort: skip  # before what imports TensorFlow
        from experiments.lookup import open_problem

        try:
            problem = open_problem(sweep.folder / "recipe.yaml")
            networks = {text: problem.load(path) for text, path in paths.items()}
            rows = problem.show(networks, options.count, photographs)
        except UserError as error:
            raise Skip(f"the pictures cannot be shown: {error}") from None
        if not rows:
            raise Skip("the problem shows no pictures")
        return _figure(f"{sweep.name}: the same pictures, dense beside pruned", rows, credit if photographs else None)

    caption = "Held-out pictures: the truth, and what each network makes of them."
    if not photographs:
        caption += " Drawn on plain grey, as the photographs are not to be passed on."
    elif credit:
        caption += f" {credit.strip().rstrip('.')}."
    return [Drawn("pictures", "The same picture, dense beside pruned", caption, draw, raster=True)]


def _credit(sweep: Sweep) -> str | None:
    """Whose pictures they are, as the recipe says."""
    try:
        content = yaml.safe_load((sweep.folder / "recipe.yaml").read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise Skip(f"the recipe cannot be read: {error}") from None
    return content.get("credit")


def _figure(title: str, rows: list[list[tuple[str, np.ndarray]]], credit: str | None) -> Figure:
    columns = max(len(row) for row in rows)
    figure, axes = axes_grid(len(rows), columns, (max(4.6, 2.6 * columns), 2.75 * len(rows) + 0.4))
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows, strict=True):
        for axis, (text, picture) in zip(line, row, strict=False):
            axis.imshow(np.asarray(picture))
            axis.set_title(text, fontsize=9, fontweight="normal", color=INK)
    titled(figure, title)
    if credit:
        figure.supxlabel(credit, x=0.006, ha="left", fontsize=7, color=INK)
    return figure


def models(sweep: Sweep, options: Options) -> dict[str, Path]:
    """Text -> saved model: the dense one and one a curve at one ratio, all of one seed.

    Raises:
        Skip: the dense model's or every pruned model's file is not there.
    """
    table = sweep.table
    ends = whole_network_ends(table)
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    ratio, share = one_ratio(ends, options), remaining(table, "macs")
    seed = one_seed(ends[ends["asked"] == ratio], options)
    dense = table.loc[(table["stage"] == "dense") & (table["seed"] == seed), "run"]
    path = sweep.path(dense.iloc[0], "model.keras") if len(dense) else None
    if path is None or not path.is_file():
        raise Skip(f"the dense model of seed {seed} is not there (git does not keep model.keras)")
    found = {"dense": path}
    rows = ends[(ends["asked"] == ratio) & (ends["seed"] == seed)].assign(curve=labels(ends, ends))
    for name in names(table):
        for index, run in rows.loc[rows["curve"] == name, "run"][:1].items():
            path = sweep.path(run, "model.keras")
            if path.is_file() and len(found) < _MOST:
                macs = "" if np.isnan(share[index]) else f"\n{share[index]:.0%} of the MACs"
                found[f"{name}, {percent(ratio)}{macs}"] = path
    if len(found) < 2:
        raise Skip(f"no model.keras of a run at {percent(ratio)} of seed {seed} is there (git does not keep them)")
    return found
