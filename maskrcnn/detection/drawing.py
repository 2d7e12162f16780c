"""Pictures with boxes, masks, labels and scores drawn into them, readable at any size."""

from __future__ import annotations

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import minimum_filter

from maskrcnn.detection.detections import Detections

# Okabe and Ito (2008): colours that the colour-blind can tell apart; then, for more than six classes, of Tol's "muted".
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#332288", "#999933", "#DDCC77")
_LEAST_SIDE = 480  # px; smaller pictures are enlarged, so that labels can be read


def draw_detections(
    image: np.ndarray, found: Detections, class_names: tuple[str, ...], least_side: int = _LEAST_SIDE
) -> Image.Image:
    """A copy of a picture with detections drawn into it.

    Classes have colours of their own; of a single class, each object has.

    Args:
        image: (H, W, 3) uint8 RGB.
        found: in pixels of the picture; `labels` count from 1; a score that is NaN is not written.
        class_names: of the labels.
        least_side: px; a picture whose shorter side is less is enlarged by a whole factor.

    Returns:
        an RGB picture.
    """
    zoom = max(1, -(-least_side // min(image.shape[:2])))
    size = (image.shape[1] * zoom, image.shape[0] * zoom)
    picture = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    unit = max(1.0, min(size) / 400)  # px of a thin line
    colours = [_colour(number, int(label), class_names) for number, label in enumerate(found.labels)]
    worst_first = range(len(found.labels) - 1, -1, -1)
    for i in worst_first:
        _mask(picture, found.masks[i], colours[i], zoom, round(1.5 * unit))
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(findfont("DejaVu Sans"), round(11 * unit))
    for i in worst_first:
        pen.rectangle(_corners(found.boxes[i] * zoom, size), outline=colours[i], width=round(1.5 * unit))
    taken: list[tuple[float, float, float, float]] = []
    for i in range(len(found.labels)):
        score = "" if np.isnan(found.scores[i]) else f" {found.scores[i]:.2f}"
        text = class_names[int(found.labels[i]) - 1] + score
        _label(pen, text, found.boxes[i] * zoom, size, colours[i], font, taken)
    return picture


def _colour(number: int, label: int, class_names: tuple[str, ...]) -> tuple[int, int, int]:
    text = COLOURS[(label - 1 if len(class_names) > 1 else number) % len(COLOURS)]
    return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))  # type: ignore[return-value]


def _corners(box: np.ndarray, size: tuple[int, int]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in box)
    x0, y0 = max(0.0, x0), max(0.0, y0)
    return x0, y0, max(x0, min(x1, size[0]) - 1), max(y0, min(y1, size[1]) - 1)


def _mask(picture: Image.Image, mask: np.ndarray, colour: tuple[int, int, int], zoom: int, line: int) -> None:
    """Tints a mask's pixels and draws its rim."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    y, x = max(0, rows[0] - 1), max(0, columns[0] - 1)
    inside = np.pad(mask, 1)[y + 1 : rows[-1] + 3, x + 1 : columns[-1] + 3]
    small = Image.fromarray(inside.astype(np.uint8) * 255)
    whole = small.resize((small.width * zoom, small.height * zoom), Image.Resampling.BILINEAR)
    whole = whole.point(lambda value: 255 if value >= 128 else 0)
    rim = np.array(whole) ^ minimum_filter(np.array(whole), 2 * line + 1, mode="nearest")
    at = (int(x) * zoom, int(y) * zoom)
    flat = Image.new("RGB", whole.size, colour)
    picture.paste(flat, at, whole.point(lambda value: 110 if value else 0))
    picture.paste(flat, at, Image.fromarray(rim))


def _label(pen, text: str, box: np.ndarray, size: tuple[int, int], colour, font, taken: list) -> None:
    """Writes a label above the box, else below or inside it, wherever no better object's label is."""
    x0, y0, x1, y1 = _corners(box, size)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pad = (bottom - top) * 0.25
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(0.0, x0), max(0.0, size[0] - width))
    places = [(x, y) for y in (y0 - height, y1, y0, y1 - height) if 0 <= y <= size[1] - height]
    places += [(x, y) for y in np.arange(0, size[1] - height, height)] or [(x, 0.0)]
    free = (p for p in places if not any(_overlap((*p, p[0] + width, p[1] + height), one) for one in taken))
    x, y = next(free, places[0])
    taken.append((x, y, x + width, y + height))
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    pen.text((x + pad - left, y + pad - top), text, font=font, fill=(0, 0, 0) if dark else (255, 255, 255))


def _overlap(a: tuple, b: tuple) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
