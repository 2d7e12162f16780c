"""The same examples, as the dense network sees them and as pruned ones do; or as each of several models does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from matplotlib.figure import Figure

from experiments.errors import UserError
from experiments.plots.elements.drawn import Amount, Drawn, Options, Skip, one_amount, one_seed
from experiments.plots.elements.style import INK, axes_grid, titled
from experiments.settings.quantities import macs_text
from experiments.table.amounts import dense_of_that_size
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import (
    labels,
    models_by_size,
    names,
    remaining,
    several_models,
    whole_network_ends,
)

_MOST = 4  # networks beside the truth


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """The truth, and what networks make of it, a row an example: dense and pruned ones, or one a model.

    Raises:
        Skip: a saved model, the recipe or the examples are not there, or the problem shows none.
    """
    several = several_models(sweep.table)
    dense, (amount, pruned) = dense_models(sweep, options), models_at_one_amount(sweep, options)
    credit = _credit(sweep)
    may_be_shown = not sweep.problem.photographs or bool(credit)
    photographs = may_be_shown if options.photo is None else options.photo
    caption = "Held-out pictures: the truth, and what each network makes of them."
    if not photographs:
        caption += " Drawn on plain grey, as the photographs are not to be passed on."
    elif credit:
        caption += f" {credit.strip().rstrip('.')}."

    def drawn(name: str, title: str, paths: dict[str, Path]) -> Drawn:
        def draw() -> Figure:
            rows = _rows(sweep, paths, options.count, photographs)
            heading = f"{sweep.name}: {title[:1].lower()}{title[1:]}"
            return _figure(heading, rows, credit if photographs else None)

        return Drawn(name, title, caption, draw, raster=True)

    if not several:
        every = list((dense | pruned).items())
        return [drawn("pictures", "The same picture, dense beside pruned", dict(every[:_MOST]))]
    return [
        drawn("pictures_dense", "The same picture, dense models side by side", dense),
        drawn("pictures", f"The same picture, models {amount.pruned} side by side", pruned),
    ]


def _rows(
    sweep: Sweep, paths: dict[str, Path], count: int, photographs: bool
) -> list[list[tuple[str, np.ndarray]]]:
    # The network is imported only where it is asked for.
    from experiments.runs import tensorflow_setup  # noqa: F401  # isort: skip  # before what imports TensorFlow
    from experiments.lookup import open_problem

    try:
        problem = open_problem(sweep.folder / "recipe.yaml")
        networks = {text: problem.load(path) for text, path in paths.items()}
        rows = problem.show(networks, count, photographs)
    except UserError as error:
        raise Skip(f"the pictures cannot be shown: {error}") from None
    if not rows:
        raise Skip("the problem shows no pictures")
    return rows


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


def dense_models(sweep: Sweep, options: Options) -> dict[str, Path]:
    """Text -> saved dense model of one seed; where models are compared, of each, by size: its control, if there is one.

    Raises:
        Skip: no run is finished, or no file is there.
    """
    table, seed = sweep.table, _seed(sweep, options)
    rows = table[table["stage"].isin(["dense", "dense_control"]) & (table["seed"] == seed)]
    found = {}
    for model in models_by_size(table) if several_models(table) else [None]:
        own = rows[rows["stage"] == "dense"] if model is None else rows[rows["model"] == model]
        paths = {sweep.path(row["run"], "model.keras"): row["effective_macs"] for _, row in own.iterrows()}
        for path in [path for path in paths if path.is_file()][-1:]:
            found["dense" if model is None else f"{model}\n{macs_text(paths[path])}"] = path
    if not found:
        raise Skip(f"the dense model of seed {seed} is not there (git does not keep model.keras)")
    return found


def models_at_one_amount(sweep: Sweep, options: Options) -> tuple[Amount, dict[str, Path]]:
    """How much is pruned, and text -> saved model, one a curve; of compared models, the dense one of that size too.

    Raises:
        Skip: no model's file is there.
    """
    table, seed = sweep.table, _seed(sweep, options)
    ends = whole_network_ends(table)
    amount, share = one_amount(ends, options), remaining(table, "macs")
    rows = amount.of(ends[ends["seed"] == seed]).assign(curve=labels(ends, ends))
    found: dict[str, Path] = {}
    for name in names(table):
        for index, run in rows.loc[rows["curve"] == name, "run"][:1].items():
            path = sweep.path(run, "model.keras")
            if path.is_file():
                text = f"{name}, pruned\n{macs_text(table.loc[index, 'effective_macs'])}"
                if not several_models(table):
                    macs = "" if np.isnan(share[index]) else f"\n{share[index]:.0%} of the MACs"
                    text = f"{name}, {amount}{macs}"
                found[text] = path
    if not found:
        raise Skip(f"no model.keras of a run {amount.at} of seed {seed} is there (git does not keep them)")
    equal = dense_of_that_size(table[table["seed"] == seed], amount.value)
    for _, row in equal.iterrows():
        path = sweep.path(row["run"], "model.keras")
        if path.is_file():
            found[f"{row['model']}, dense\n{macs_text(row['effective_macs'])}"] = path
    return amount, found


def _seed(sweep: Sweep, options: Options) -> int:
    """The seed whose models are shown."""
    ends = whole_network_ends(sweep.table)
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    return one_seed(one_amount(ends, options).of(ends), options)
