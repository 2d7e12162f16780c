"""The same picture, seen by the dense and by the pruned network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import maskrcnn
from building import dataset, saved_model
from command import UserError, from_yaml
from curves import final, labels, left, names, percent, whole
from drawing import draw_detections
from plots.drawn import Drawn, Options, Skip, one_ratio, one_seed
from reading import Sweep
from settings import Recipe
from style import INK, pyplot, titled

_SCORE = 0.5
_MOST = 4  # columns


def plot(sweep: Sweep, options: Options) -> list[Drawn]:
    """Ground truth and detections of the dense and of pruned networks, a row a picture.

    Raises:
        Skip: a saved model, the recipe or the pictures are not there.
    """
    columns = models(sweep, options)
    recipe = _recipe(sweep)
    photo = recipe.data.kind == "shapes" if options.photo is None else options.photo
    try:
        pictures = dataset(recipe.data, "test")
    except (UserError, maskrcnn.data.DataError) as error:
        raise Skip(f"the pictures cannot be read: {error}") from None
    loaded = {text: saved_model(path) for text, path in columns.items()}
    chosen = [pictures[i] for i in _choose(pictures, options.count)]
    size = (2.6 * (len(loaded) + 1), 2.75 * len(chosen) + 0.4)
    figure, axes = pyplot.subplots(len(chosen), len(loaded) + 1, figsize=size, layout="constrained", squeeze=False)
    for line, sample in zip(axes, chosen, strict=True):
        canvas = sample.image if photo else np.full_like(sample.image, 225)
        truth = maskrcnn.Detections(
            sample.boxes, sample.labels, np.full(len(sample.labels), np.nan, np.float32), sample.masks.astype(bool)
        )
        seen = {"truth": truth} | {text: model.detect(sample.image, _SCORE) for text, model in loaded.items()}
        for axis, (text, found) in zip(line, seen.items(), strict=True):
            axis.imshow(np.asarray(draw_detections(canvas, found, pictures.class_names)))
            axis.set_axis_off()
            axis.set_title(text, fontsize=9, fontweight="normal", color=INK)
    titled(figure, f"{sweep.name}: the same pictures, dense beside pruned")
    grey = "" if photo else " Drawn on plain grey, as the photographs are not to be passed on."
    caption = f"Held-out pictures with all detections of score {_SCORE} and more.{grey}"
    return [Drawn("pictures", "The same picture, dense beside pruned", caption, figure, raster=True)]


def models(sweep: Sweep, options: Options) -> dict[str, Path]:
    """Text -> saved model: the dense one and one a curve at one ratio, all of one seed.

    Raises:
        Skip: the dense model's or every pruned model's file is not there.
    """
    table = sweep.table
    ends = whole(final(table))
    if ends.empty:
        raise Skip("no pruned run of the whole network is finished")
    ratio, share = one_ratio(ends, options), left(table, "macs")
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
                found[f"{name}, {percent(ratio)}\n{share[index]:.0%} of the MACs"] = path
    if len(found) < 2:
        raise Skip(f"no model.keras of a run at {percent(ratio)} of seed {seed} is there (git does not keep them)")
    return found


def _recipe(sweep: Sweep) -> Recipe:
    try:
        return from_yaml(Recipe, sweep.folder / "recipe.yaml")
    except UserError as error:
        raise Skip(f"the recipe cannot be read: {error}") from None


def _choose(pictures: maskrcnn.data.Dataset, count: int) -> list[int]:
    """Pictures with the most objects among the first fifty: they show the most."""
    amounts = [len(pictures[i].labels) for i in range(min(50, len(pictures)))]
    return sorted(np.argsort(-np.asarray(amounts), kind="stable")[:count].tolist())
