"""The masks of a picture, each kept only where it has pixels.

A hundred objects of a picture of 800 x 1344 px are 108 MB as whole masks, and about a hundredth of that within their
windows. So sources, augmentation and batches hand masks over cut, and whole ones are made for those who ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .geometry import mask_boxes
from .resize import nearest_index


@dataclass(frozen=True)
class CutMasks:
    """N masks of one picture.

    Attributes:
        size: (height, width) of the picture, px.
        windows: (N, 4) int32 (x0, y0, x1, y1) px, the tight extent of each mask; zeros for an empty one.
        parts: N arrays (y1 - y0, x1 - x0) bool, the masks within their windows.
    """

    size: tuple[int, int]
    windows: np.ndarray
    parts: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, masks: np.ndarray) -> CutMasks:
        """Cuts masks (N, H, W) bool; the parts are views of them."""
        windows = mask_boxes(masks).astype(np.int32)
        parts = (mask[y0:y1, x0:x1] for mask, (x0, y0, x1, y1) in zip(masks, windows.tolist(), strict=True))
        return cls((masks.shape[1], masks.shape[2]), windows, tuple(parts))

    @classmethod
    def at(cls, size: tuple[int, int], found: Iterable[tuple[int, int, np.ndarray]]) -> CutMasks:
        """Masks given as (x0, y0, part), the corner of a part (h, w) bool, which is cut to its pixels."""
        windows, parts = [], []
        for x0, y0, part in found:
            rows, columns = np.asarray(part.any(axis=1)), np.asarray(part.any(axis=0))
            if not rows.any():
                windows.append((0, 0, 0, 0))
                parts.append(np.zeros((0, 0), bool))
                continue
            top, left = int(rows.argmax()), int(columns.argmax())
            bottom, right = len(rows) - int(rows[::-1].argmax()), len(columns) - int(columns[::-1].argmax())
            windows.append((x0 + left, y0 + top, x0 + right, y0 + bottom))
            parts.append(part[top:bottom, left:right])
        return cls(size, np.array(windows, np.int32).reshape(-1, 4), tuple(parts))

    @classmethod
    def from_pixels(cls, size: tuple[int, int], windows: np.ndarray, pixels: np.ndarray) -> CutMasks:
        """The inverse of `pixels`: `windows` (N, 4) int32 and the parts' pixels (L,) bool, one part after another."""
        shapes = (windows[:, 2:] - windows[:, :2])[:, ::-1].tolist()
        ends = np.cumsum([height * width for height, width in shapes])
        parts = [
            pixels[end - height * width : end].reshape(height, width)
            for end, (height, width) in zip(ends, shapes, strict=True)
        ]
        return cls(size, windows, tuple(parts))

    def __len__(self) -> int:
        return len(self.parts)

    def whole(self) -> np.ndarray:
        """(N, H, W) bool."""
        found = np.zeros((len(self.parts), *self.size), bool)
        for mask, (x0, y0, x1, y1), part in zip(found, self.windows.tolist(), self.parts, strict=True):
            mask[y0:y1, x0:x1] = part
        return found

    def pixels(self) -> np.ndarray:
        """(L,) bool, the parts' pixels: row by row, one part after another."""
        return np.concatenate([np.zeros(0, bool), *(part.reshape(-1) for part in self.parts)])

    def areas(self) -> np.ndarray:
        """(N,) int64, pixels of each mask."""
        return np.array([np.count_nonzero(part) for part in self.parts], np.int64)

    def take(self, rows: np.ndarray) -> CutMasks:
        """The masks at `rows`, indices or (N,) bool."""
        chosen = np.arange(len(self.parts))[rows]
        return replace(self, windows=self.windows[chosen], parts=tuple(self.parts[i] for i in chosen))

    def flipped(self) -> CutMasks:
        """Of the mirrored picture."""
        windows = self.windows.copy()
        windows[:, 0::2] = self.size[1] - windows[:, 2::-2]
        return self._moved(self.size, windows, tuple(part[:, ::-1] for part in self.parts))

    def turned(self, turns: int) -> CutMasks:
        """Of the picture after `turns` quarter turns, counter-clockwise."""
        size, windows = self.size, self.windows
        for _ in range(turns % 4):
            x0, y0, x1, y1 = windows.T
            windows = np.stack([y0, size[1] - x1, y1, size[1] - x0], axis=1)
            size = size[::-1]
        return self._moved(size, windows, tuple(np.rot90(part, turns) for part in self.parts))

    def cropped(self, window: tuple[int, int, int, int]) -> CutMasks:
        """Of the part of the picture in `window` (y0, x0, y1, x1), px."""
        top, left, bottom, right = window

        def inside(extent, part):
            x0, y0, x1, y1 = extent
            x, y = max(x0, left), max(y0, top)
            return x - left, y - top, part[y - y0 : max(min(y1, bottom), y) - y0, x - x0 : max(min(x1, right), x) - x0]

        parts = map(inside, self.windows.tolist(), self.parts)
        return CutMasks.at((bottom - top, right - left), parts)

    def resized(self, new: tuple[int, int]) -> CutMasks:
        """Of the picture at `new` (height, width), by `resize.nearest_index`."""
        if tuple(new) == self.size:
            return self
        rows, columns = (nearest_index(old, to) for old, to in zip(self.size, new, strict=True))
        # Indices grow, so that those of a window are one run of target pixels.
        first, last = np.searchsorted(columns, self.windows[:, 0::2].T), np.searchsorted(rows, self.windows[:, 1::2].T)

        def scaled(x0, x1, y0, y1, extent, part):
            return x0, y0, part.take(rows[y0:y1] - extent[1], axis=0).take(columns[x0:x1] - extent[0], axis=1)

        parts = map(scaled, *first.tolist(), *last.tolist(), self.windows.tolist(), self.parts)
        return CutMasks.at((new[0], new[1]), parts)

    def _moved(self, size: tuple[int, int], windows: np.ndarray, parts: tuple[np.ndarray, ...]) -> CutMasks:
        windows = np.where([[part.size > 0] for part in parts] or np.zeros((0, 1), bool), windows, 0)
        return CutMasks(size, windows.astype(np.int32), parts)
