"""Stage 4: what layers answer, channel by channel."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from maskrcnn.inspect.activation_maps import Activation
from maskrcnn.inspect.figures import canvas
from maskrcnn.inspect.figures.object_figures import nothing

MOST_CHANNELS = 64
_MOST_REGIONS = 40
_BESIDE, _TILE, _GAP, _NUMBER = 8, 96, 5, 19  # channels in a row; px of a channel, between two, above one
PRUNED, ZERO, NOISY = "#CC3311", "#0077BB", "#EE7733"


def chosen_channels(
    activation: Activation, most: int = MOST_CHANNELS, beside: Activation | None = None
) -> np.ndarray:
    """Numbers of the channels that are drawn, in order: all, or evenly chosen, those that are pointed out first.

    With the same layer of another model `beside` it, of as many channels, both have the same ones drawn.
    """
    channels = len(activation.zero)
    marked = np.zeros(channels, bool)
    for one in (activation, beside):
        if one is not None and len(one.zero) == channels:
            marked |= one.zero | one.noisy
            marked |= False if one.silenced is None else one.silenced
    some = [_evenly(np.flatnonzero(marked), most // 2), np.flatnonzero(~marked)]
    some[1] = _evenly(some[1], most - len(some[0]))
    return np.arange(channels) if channels <= most else np.sort(np.concatenate(some))


@canvas.styled
def channel_grid(
    activation: Activation, most: int = MOST_CHANNELS, beside: Activation | None = None
) -> Figure:
    """The channels of a layer, each scaled to its own range; pruned, all-zero and noisy ones have a frame.

    A layer of regions shows its first region, the best; a layer without maps (N, C) its channels beside each other, a
    row a region. Where there is no room for all channels, `chosen_channels` says which are drawn.
    """
    if not activation.maps:
        return nothing("Nothing was found in the picture, so this layer was not asked.")
    maps = activation.maps[0]
    if maps.ndim == 2:
        return _matrix(activation, maps)
    numbers = chosen_channels(activation, most, beside)
    columns = min(_BESIDE, len(numbers))
    rows = math.ceil(len(numbers) / columns)
    # One picture of all channels: so many axes take seconds to lay out.
    tiles = [_tile(maps[0, :, :, channel]) for channel in numbers]
    height, width = tiles[0].shape
    step_y, step_x = height + _NUMBER + _GAP, width + _GAP
    sheet = np.full((rows * step_y, columns * step_x), np.nan, np.float32)
    size = (canvas.WIDTH, canvas.WIDTH * sheet.shape[0] / sheet.shape[1] + 0.3)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01))
    axis = figure.subplots()
    for place, (channel, tile) in enumerate(zip(numbers, tiles, strict=True)):
        y, x = (place // columns) * step_y + _NUMBER, (place % columns) * step_x
        sheet[y : y + height, x : x + width] = tile
        axis.text(x, y - 2, str(channel), fontsize=6, color=canvas.GREY, va="bottom")
        if (colour := _mark(activation, channel)) is not None:
            frame = Rectangle((x - 1, y - 1), width + 1, height + 1, fill=False, edgecolor=colour, linewidth=2.0)
            axis.add_patch(frame)
    axis.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
    axis.set_axis_off()
    _legend(figure, activation)
    return figure


def _tile(values: np.ndarray) -> np.ndarray:
    """A channel's map between 0 and 1, each cell some whole number of pixels; a constant one is black."""
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low if high > low else 1.0)
    rows, columns = values.shape
    zoom = max(1, _TILE // max(rows, columns))
    thin = max(1, max(rows, columns) // (2 * _TILE))
    return np.kron(scaled[::thin, ::thin], np.ones((zoom, zoom), np.float32))


def counts(activation: Activation) -> str:
    """What is pointed out in a layer, in words."""
    channels = len(activation.zero)
    silenced = np.zeros(channels, bool) if activation.silenced is None else activation.silenced
    found = [f"{int(silenced.sum())} pruned"] if activation.silenced is not None and silenced.any() else []
    if zero := int((activation.zero & ~silenced).sum()):
        found.append(f"{zero} all zero here")
    if noisy := int((activation.noisy & ~silenced).sum()):
        found.append(f"{noisy} noisy")
    return f"{channels} channels" + (f": {', '.join(found)}" if found else ", none of them pointed out")


def _mark(activation: Activation, channel: int) -> str | None:
    if activation.silenced is not None and activation.silenced[channel]:
        return PRUNED
    return ZERO if activation.zero[channel] else NOISY if activation.noisy[channel] else None


def _matrix(activation: Activation, values: np.ndarray) -> Figure:
    few = values[:_MOST_REGIONS]
    figure = Figure(figsize=(canvas.WIDTH, 2.6), layout="constrained")
    marks, axis = figure.subplots(2, 1, height_ratios=(1, 12), sharex=True)
    limit = float(np.quantile(few, 0.995)) or 1.0
    axis.imshow(few, aspect="auto", cmap="gray", vmin=min(0.0, float(few.min())), vmax=limit, interpolation="nearest")
    axis.set(xlabel="channel", ylabel=f"the {len(few)} best regions")
    colours = [_mark(activation, channel) for channel in range(values.shape[1])]
    for colour in {colour for colour in colours if colour is not None}:
        numbers = [channel for channel, one in enumerate(colours) if one == colour]
        marks.vlines(numbers, 0, 1, colors=colour, linewidth=0.9)
    marks.set_axis_off()
    marks.set_ylim(0, 1)
    _legend(figure, activation)
    return figure


def _legend(figure: Figure, activation: Activation) -> None:
    marks = {_mark(activation, channel) for channel in range(len(activation.zero))}
    every = ((PRUNED, "pruned"), (ZERO, "all zero here"), (NOISY, "noisy"))
    handles = [canvas.entry(text, color=colour, linewidth=2.5) for colour, text in every if colour in marks]
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=3, borderaxespad=0.1)


def _evenly(numbers: np.ndarray, most: int) -> np.ndarray:
    return numbers[np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), most)).astype(int))]
