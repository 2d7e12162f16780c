"""COCO run lengths of masks, read where the masks have pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from maskrcnn.data.cut_masks import CutMasks
from maskrcnn.data.geometry import mask_boxes

Rows = list[dict[str, Any]]


def runs_of_objects(masks: CutMasks) -> Rows:
    """COCO run lengths, JSON ready, of a picture's masks."""
    height = masks.size[0]

    def strips() -> Iterator[tuple[int, np.ndarray]]:
        for (x0, y0, x1, y1), part in zip(masks.windows.tolist(), masks.parts, strict=True):
            strip = np.zeros((x1 - x0, height), bool)
            strip[:, y0:y1] = part.T
            yield x0, strip

    return _encoded(strips(), *masks.size)


def runs_of_detections(masks: Sequence[np.ndarray], boxes: np.ndarray) -> Rows:
    """COCO run lengths, JSON ready, of a picture's detections.

    Args:
        masks: N of (H, W) bool.
        boxes: (N, 4) xyxy px, about which their pixels lie, as a rule.
    """
    if not len(masks):
        return []
    height, width = masks[0].shape
    # A pasted mask reaches past its box by the border of one of its cells.
    around = (boxes[:, 2] - boxes[:, 0]) / 8 + 2
    first = np.clip(np.floor(boxes[:, 0] - around), 0, width).astype(int)
    last = np.clip(np.ceil(boxes[:, 2] + around), first, width).astype(int)

    def strips() -> Iterator[tuple[int, np.ndarray]]:
        for mask, x0, x1 in zip(masks, first.tolist(), last.tolist(), strict=True):
            strip = mask[:, x0:x1]
            if np.count_nonzero(strip) != np.count_nonzero(mask):
                x0, _, x1, _ = (int(edge) for edge in mask_boxes(mask[None])[0])
                strip = mask[:, x0:x1]
            yield x0, strip.T

    return _encoded(strips(), height, width)


def _encoded(strips: Iterator[tuple[int, np.ndarray]], height: int, width: int) -> Rows:
    """Run lengths of masks given as the first column that they may have pixels in, and (columns, height) bool."""
    runs = []
    for first, strip in strips:
        pixels = np.zeros(strip.size + 2, bool)  # down the columns, and background at either end
        pixels[1:-1] = strip.reshape(-1)
        edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + first * height
        counts = np.diff(edges, prepend=0, append=height * width)
        runs.append({"size": [height, width], "counts": counts[: -1 if counts[-1] == 0 else None]})
    found = coco_mask.frPyObjects(runs, height, width) if runs else []
    return [{"size": [height, width], "counts": one["counts"].decode("ascii")} for one in found]
