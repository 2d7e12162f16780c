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

_MOST_GROUPS = 7  # of a number: 34 bits and the sign, more than any picture has pixels


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
        found = _decompressed(counts.encode("utf-8", "surrogatepass"))
        if found is None:
            raise DataError(
                f"{where}: its mask has broken counts, {shown(counts)}. Encode it again.", "bad mask"
            )
        runs = found.tolist()
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
    """The masks within their windows; pycocotools decodes whole ones only, whatever their size."""
    return CutMasks.at((height, width), map(_columns, masks))


def _columns(mask: RunLengths) -> tuple[int, int, np.ndarray]:
    """(x0, y0, part) of the columns (H, w) bool that a mask reaches."""
    runs = _decompressed(mask["counts"])
    assert runs is not None, "it was checked or made here"
    height, edges = mask["size"][0], np.cumsum(runs)[: len(runs) // 2 * 2]  # behind the last edge there is no object
    if not len(edges):
        return 0, 0, np.zeros((0, 0), bool)
    first, last = int(edges[0]) // height, (int(edges[-1]) - 1) // height + 1
    lengths = np.diff(edges, prepend=first * height, append=last * height)
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return first, 0, pixels.reshape(last - first, height).T


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


def _decompressed(counts: bytes) -> np.ndarray | None:
    """Run lengths (n,) int64 from COCO's text; None for a broken one, past whose end pycocotools would read.

    Each is written in groups of five bits from '0' on, of which the sixth says that more follow. From the third on,
    they are differences to the last but one.
    """
    letters = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if not len(letters) or letters.min() < 0 or letters.max() > 63 or letters[-1] & 32:
        return None
    last = np.flatnonzero(letters & 32 == 0)
    groups = np.diff(last, prepend=-1)
    if groups.max() > _MOST_GROUPS:
        return None
    first = last - groups + 1
    place = np.arange(len(letters)) - np.repeat(first, groups)
    runs = np.add.reduceat((letters & 31) << (5 * place), first)
    runs -= np.where(letters[last] & 16, 1 << (5 * groups), 0)
    runs[1::2], runs[2::2] = np.cumsum(runs[1::2]), np.cumsum(runs[2::2])
    return runs if runs.min() >= 0 else None
