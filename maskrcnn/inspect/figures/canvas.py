"""What all figures of a model's stages are drawn with: their style, pictures, boxes, and the way to pixels."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from maskrcnn.detection.contours import contours
from maskrcnn.detection.drawing import COLOURS

INK, GREY, FAINT = "#222222", "#6E6E6E", "#E3E3E3"
# Roles, which are no classes: colours of Tol's "muted" scheme, which the colour-blind can tell apart.
CHOSEN, REFUSED, NEUTRAL = "#117733", "#AA4499", "#999999"
LEVELS = ("#332288", "#0077BB", "#33BBEE", "#EE7733", "#CC3311")  # P2 to P6
SCORES = "viridis_r"
WIDTH = 4.0  # inches of a panel
_DPI = 170
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """A function that draws a figure, in the style of the house and without changing anybody else's."""

    @functools.wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Figure:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


def class_colour(label: int, class_names: tuple[str, ...], number: int = 0) -> str:
    """A class's colour, the same in every figure; where there is one class, that of its object `number`."""
    return COLOURS[(label - 1 if len(class_names) > 1 else number) % len(COLOURS)]


def chart(width: float = WIDTH, height: float = 3.4) -> tuple[Figure, Axes]:
    """A figure, in inches, with one pair of axes and a faint grid."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    axis.grid(True)
    return figure, axis


def on_picture(image: np.ndarray, faded: bool = True, margin: float = 0.06) -> tuple[Figure, Axes]:
    """A figure with a picture (H, W, 3) uint8, pale unless `faded` is false, in its own pixels.

    `margin` is shown around it, as a share of its sides.
    """
    height, width = image.shape[:2]
    tall = min(1.6, max(0.5, height / width))
    figure = Figure(figsize=(WIDTH, WIDTH * tall + 0.3), layout="constrained")
    axis = figure.subplots()
    show(axis, image, faded)
    axis.set_xlim(-margin * width, width * (1 + margin))
    axis.set_ylim(height * (1 + margin), -margin * height)
    return figure, axis


def show(axis: Axes, image: np.ndarray, faded: bool = False) -> None:
    """Show a picture in axes without ticks; its pixel (0, 0) begins at (0, 0)."""
    shown = image
    if faded:
        # Half its colour stays: an object may differ from what surrounds it in nothing else.
        half = 0.5 * image.astype(np.float32) + 0.5 * grey(image)[..., None]
        shown = (255 - 0.5 * (255 - half)).astype(np.uint8)
    height, width = image.shape[:2]
    axis.imshow(shown, extent=(0, width, height, 0), interpolation="antialiased")
    axis.set_axis_off()


def grey(image: np.ndarray) -> np.ndarray:
    """Luma (H, W) float32 of a picture (H, W, 3) uint8 (ITU-R BT.601)."""
    return image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def boxes(axis: Axes, corners: np.ndarray, colour: Any, style: Any = "-", width: float = 1.3, alpha=1.0) -> None:
    """Draw boxes (N, 4) xyxy, in one colour or a colour each."""
    if not len(corners):
        return
    x0, y0, x1, y1 = np.asarray(corners, float).T
    outlines = np.stack([[x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0]], axis=-1).transpose(1, 0, 2)
    lines = LineCollection(list(outlines), colors=colour, linestyles=style, linewidths=width, alpha=alpha)
    axis.add_collection(lines, autolim=False)


def truth_boxes(axis: Axes, corners: np.ndarray) -> None:
    """Draw the objects' true boxes: white with a dark rim, as in every figure; thinner where they are many."""
    thin = 1.3 if len(corners) <= 15 else 0.7
    boxes(axis, corners, INK, width=2 * thin)
    boxes(axis, corners, "white", width=thin)


def outline(axis: Axes, mask: np.ndarray, colour: str, style: str = "-", width: float = 1.4, rim: bool = False) -> None:
    """Draw the outlines of a mask (H, W) bool."""
    for ring in contours(mask):
        (line,) = axis.plot(*np.vstack([ring, ring[:1]]).T, color=colour, linestyle=style, linewidth=width)
        if rim:
            line.set_path_effects([patheffects.withStroke(linewidth=width + 1.3, foreground=INK)])


def written(axis: Axes, box: np.ndarray, text: str, colour: str) -> None:
    """Write a short label at the upper corner of a box (xyxy) from which it runs inwards; inside it at the top."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    from_left = box[0] + box[2] < left + right
    above = box[1] > top + 0.1 * (bottom - top)
    axis.text(
        max(box[0], left) if from_left else min(box[2], right), max(box[1], top), text, color="white", fontsize=7.5,
        va="bottom" if above else "top", ha="left" if from_left else "right", clip_on=True,
        bbox={"boxstyle": "square,pad=0.15", "facecolor": colour, "edgecolor": "none"},
    )  # fmt: skip


def entry(label: str, **look: Any) -> Line2D:
    """A line or marker for a legend."""
    return Line2D([], [], label=label, **look)


def legend(figure: Figure, handles: list[Any], columns: int = 2) -> None:
    """Put a legend below a figure, which is made higher for it."""
    rows = -(-len(handles) // columns)
    figure.set_figheight(figure.get_figheight() + 0.19 * max(0, rows - 1))
    figure.legend(handles=handles, loc="outside lower left", ncols=columns, borderaxespad=0.1)


def truth_entry() -> Line2D:
    """The legend's entry of the objects' true boxes."""
    line = entry("an object's true box", color="white", linewidth=1.3)
    line.set_path_effects([patheffects.withStroke(linewidth=2.8, foreground=INK)])
    return line


def pixels(figure: Figure, dpi: int = _DPI) -> np.ndarray:
    """A figure as (H, W, 3) uint8 RGB."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def sized(picture: np.ndarray, least: int = 480, most: int = 1200) -> np.ndarray:
    """A picture (H, W, 3) uint8 between `least` and `most` px wide; a small one is enlarged by a whole factor."""
    height, width = picture.shape[:2]
    zoom = max(1, -(-least // width)) if width < least else min(1.0, most / width)
    size = (round(width * zoom), max(1, round(height * zoom)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)) if zoom != 1 else picture


def png(figure: Figure, dpi: int = _DPI) -> bytes:
    """A figure as a PNG of at most 256 colours, which is a third of the size and looks the same."""
    return png_of(pixels(figure, dpi))


def png_of(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 RGB as a PNG of at most 256 colours."""
    few = Image.fromarray(picture).quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=2)
    file = io.BytesIO()
    few.save(file, "PNG")
    return file.getvalue()
