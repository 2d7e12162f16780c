"""What a data set looks like: its objects in numbers, and some of its pictures as annotated."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

import maskrcnn
from experiments.plots.elements.style import COLOURS, GREY, axes_grid, lines_and_columns
from maskrcnn.data.survey import Overview, Suggestion

_MOST_CLASSES = 20
_BESIDE = 4


def objects_figure(found: Overview, suggestion: Suggestion) -> Figure:
    """Objects of each class; how large they are beside the anchors; how many a picture has.

    Args:
        found: of the data set; suggestion: for it, whose picture size the sizes are of.
    """
    classes = sorted(found.classes.items(), key=lambda item: -item[1][0])[:_MOST_CLASSES]
    figure, axes = axes_grid(1, 3, (12.0, max(3.2, 0.28 * len(classes) + 1.2)))
    bars, sizes, amounts = axes[0]
    names, counts = [name for name, _ in classes], [objects for _, (objects, _) in classes]
    bars.barh(names, counts, color=COLOURS[0])
    for place, (_, (objects, pictures)) in enumerate(classes):
        bars.text(objects, place, f" {objects} in {pictures}", va="center", fontsize=8, color=GREY)
    bars.invert_yaxis()
    bars.margins(x=0.3)
    bars.grid(axis="y", visible=False)
    more = len(found.classes) - len(classes)
    bars.set_title("objects, in pictures" + (f"; {more} more classes" if more else ""))

    low, high = suggestion.fields["min_size"], suggestion.fields["max_size"]
    factors = np.array([
        maskrcnn.data.resized_size(height, width, low, high)[0] / height for height, width in found.sizes.tolist()
    ])  # fmt: skip
    sides = np.maximum(found.sides * factors[found.pictures], 1)
    sizes.hist(sides, bins=np.geomspace(max(1, sides.min() * 0.9), sides.max() * 1.1, 30), color=COLOURS[0])
    sizes.set_xscale("log", base=2)
    sizes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for anchor in suggestion.fields["anchor_sizes"]:
        sizes.axvline(anchor, color=COLOURS[1], linestyle="--", linewidth=1.2)
    sizes.set_xlabel(f"side in px once the longer side is {suggestion.fields['max_size']}")
    sizes.set_title("sizes (dashed: suggested anchors)")

    highest = max(1, int(found.amounts.max()))
    amounts.hist(found.amounts, bins=np.arange(-0.5, highest + 1.5, max(1, -(-highest // 30))), color=COLOURS[0])
    amounts.set_xlabel("objects")
    amounts.set_ylabel("pictures")
    amounts.set_title("objects of a picture")
    return figure


def annotated_figure(data: maskrcnn.data.Dataset, count: int, seed: int = 0) -> Figure:
    """So many pictures, drawn by a seed, with their annotations as they are read."""
    from maskrcnn.detection.drawing import draw_detections

    chosen = sorted(np.random.default_rng(seed).permutation(len(data))[:count].tolist())
    lines, columns = lines_and_columns(len(chosen), _BESIDE)
    figure, axes = axes_grid(lines, columns, (3.2 * columns, 2.7 * lines))
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, index in zip(axes.flat, chosen, strict=False):
        sample = data[index]
        truth = maskrcnn.Detections(
            sample.boxes, sample.labels, np.full(len(sample.labels), np.nan, np.float32), sample.masks.astype(bool)
        )
        axis.imshow(np.asarray(draw_detections(sample.image, truth, data.class_names)))
        axis.set_title(sample.name, fontsize=8, fontweight="normal", loc="left")
    return figure
