"""COCO run lengths: checked when they come from a file, made from polygons and bitmaps.

A mask is kept as pycocotools' compressed dict: "size" [height, width] and "counts", bytes. Runs alternate
between background and object, down the columns, and sum up to height * width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from ..cut_masks import CutMasks
from ..dataset import DataError
from .json_values import pixels, run_counts, sequence, shown

RunLengths = dict[str, Any]


def checked_runs(outline: dict[str, Any], height: int, width: int, where: str) -> RunLengths:
    """A COCO run-length outline, compressed or not, in pycocotools' compressed form.

    Args:
        outline: has `size` and `counts`, as a file has them.
        height, width: of the picture, px.
        where: "file, annotation", for messages.

    Raises:
        DataError: if its size is not the picture's, or its runs do not fill it.
    """
    size = sequence(outline.get("size"), "the size of its run-length mask", where)
    if [pixels(side, "the size of its run-length mask", where) for side in size] != [height, width]:
        raise DataError(
            f"{where}: the run-length mask has size {size} (height, width); the picture is "
            f"[{height}, {width}]. Encode it for this picture.",
            "image size",
        )
    counts = outline.get("counts")
    if isinstance(counts, list):
        runs = run_counts(counts, where)
    elif isinstance(counts, str) and counts:
        runs = _decompressed(counts, where)
    else:
        raise DataError(
            f"{where}: a run-length mask needs counts; found {shown(counts)}. Encode it again.", "bad mask"
        )
    if sum(runs) != height * width:
        raise DataError(
            f"{where}: the runs of its mask sum to {sum(runs)}, expected {height * width}. Encode it again.",
            "bad mask",
        )
    return coco_mask.frPyObjects({"size": [height, width], "counts": _joined(runs)}, height, width)


def from_polygons(outlines: Sequence[np.ndarray], height: int, width: int) -> RunLengths:
    """The union of polygons (x0, y0, x1, y1, ...) px, each of three points or more."""
    return coco_mask.merge(coco_mask.frPyObjects(list(outlines), height, width))


def from_bitmap(mask: np.ndarray) -> RunLengths:
    """The run lengths of a mask (H, W) bool."""
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def union(masks: Sequence[RunLengths]) -> RunLengths:
    """One mask of several of one size."""
    return coco_mask.merge(list(masks)) if len(masks) > 1 else masks[0]


def pixel_count(mask: RunLengths) -> int:
    """How many pixels the mask has."""
    return int(coco_mask.area(mask))


def pixel_box(mask: RunLengths) -> tuple[float, float, float, float]:
    """The tight box (x0, y0, x1, y1) px of a mask."""
    x, y, width, height = (float(v) for v in coco_mask.toBbox(mask))
    return x, y, x + width, y + height


def cut_masks(masks: Sequence[RunLengths], height: int, width: int) -> CutMasks:
    """The masks within their windows; one at a time is decoded whole."""

    def cut(mask: RunLengths) -> tuple[int, int, np.ndarray]:
        x0, y0, x1, y1 = (int(side) for side in pixel_box(mask))
        return x0, y0, coco_mask.decode(mask)[y0:y1, x0:x1].astype(bool, order="C")

    return CutMasks.at((height, width), map(cut, masks))


def _joined(runs: list[int]) -> list[int]:
    """The same runs without empty ones but the first, with which pycocotools miscounts boxes."""
    if 0 not in runs[1:]:
        return runs
    found = [0]
    for i, run in enumerate(runs):
        if i % 2 == (len(found) - 1) % 2:
            found[-1] += run
        elif run:
            found.append(run)
    return found


def _decompressed(text: str, where: str) -> list[int]:
    """Run lengths from COCO's text: groups of five bits from '0' on, the sixth says that more follow.

    From the third on, runs are differences to the last but one. pycocotools reads past the end of a text that is
    broken, so it is never given one.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise DataError(f"{where}: its mask has broken counts, {shown(text)}. Encode it again.", "bad mask")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    if shift or min(runs, default=-1) < 0:
        raise DataError(f"{where}: its mask has broken counts, {shown(text)}. Encode it again.", "bad mask")
    return runs
