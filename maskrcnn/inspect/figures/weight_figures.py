"""Stage 5: how the weights of each layer are spread, and what of them is pruned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator

from maskrcnn.inspect.figures import canvas
from maskrcnn.inspect.weight_shares import LayerWeights

_BESIDE, _BINS = 4, 48
_OTHER = "#0072B2"


@canvas.styled
def histograms(
    layers: Sequence[LayerWeights], others: Sequence[LayerWeights] = (), names: tuple[str, str] = ("", "")
) -> Figure:
    """Histograms of kernels, a panel a layer, weights that are 0 left out; with the share of channels pruned.

    Args:
        layers: of one model, drawn as an area, or as a line where there are others.
        others: of a second model, drawn as an area; layers are matched by name.
        names: of the two models, for the legend.
    """
    second = {layer.layer: layer for layer in others}
    rows = math.ceil(len(layers) / _BESIDE)
    figure = Figure(figsize=(2 * canvas.WIDTH, 1.5 * rows + 0.4), layout="constrained")
    axes = list(figure.subplots(rows, _BESIDE, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    for axis, layer in zip(axes, layers, strict=False):
        axis.set_axis_on()
        _panel(axis, layer, second.get(layer.layer))
    if others:
        line = canvas.entry(names[0], color=canvas.INK, linewidth=1.1)
        area = Rectangle((0, 0), 1, 1, color=_OTHER, alpha=0.5, label=names[1])
        canvas.legend(figure, [line, area])
    return figure


def _panel(axis: Axes, layer: LayerWeights, other: LayerWeights | None) -> None:
    every = [one.values[one.values != 0] for one in (layer, other) if one is not None]
    present = np.concatenate(every)
    most = float(np.quantile(np.abs(present), 0.999)) if len(present) else 1.0
    edges = np.linspace(-most, most, _BINS + 1)
    found = [np.histogram(np.clip(values, -most, most), edges)[0] for values in every]
    area = found[-1]
    axis.stairs(area, edges, fill=True, color=_OTHER, alpha=0.5)
    if len(found) > 1:
        axis.stairs(found[0], edges, color=canvas.INK, linewidth=1.0)
    axis.set_yscale("log")
    axis.set_ylim(0.5, None)
    axis.yaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    axis.tick_params(labelsize=7, length=2)
    axis.set_title(layer.layer, fontsize=8, fontweight="bold", color=canvas.INK, pad=11)
    axis.text(0, 1.02, channels_text(layer, other), transform=axis.transAxes, fontsize=7, color=canvas.GREY)


def channels_text(layer: LayerWeights, other: LayerWeights | None = None) -> str:
    """How many channels a layer has, and what of them is pruned or gone, in a few words."""
    last = layer if other is None else other
    count, pruned = len(last.zero), int(last.pruned.sum())
    if other is not None and count != len(layer.zero):
        gone = 1 - count / len(layer.zero)
        return f"{len(layer.zero)} → {count} channels (−{gone:.0%})"
    if pruned:
        return f"{count} channels, {pruned} {'all 0' if last.silenced is None else 'pruned'} ({pruned / count:.0%})"
    return f"{count} channels"
