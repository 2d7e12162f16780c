"""Seeded grounds: random grids, smoothly enlarged; integer arithmetic only."""

from __future__ import annotations

import numpy as np


def texture(rng: np.random.Generator, size: int, coarse: int, fine: int) -> np.ndarray:
    """Two scales of value noise.

    Args:
        rng: advanced by a fixed number of draws.
        size: height and width, px.
        coarse, fine: largest swing of the coarse (about 32 px at 128) and the fine (about 4 px) scale, grey
            levels.

    Returns:
        (size, size, 3) int64, 1/256 grey level, around 0; the fine scale is the same in all channels.
    """
    slow = rng.integers(-coarse << 8, (coarse << 8) + 1, (6, 6, 3))
    return _enlarged(slow, size, 4, rng.integers(0, 256, 2)) + fine_texture(rng, size, fine)


def fine_texture(rng: np.random.Generator, size: int, swing: int) -> np.ndarray:
    """The fine scale alone, (size, size, 1) int64, 1/256 grey level."""
    quick = rng.integers(-swing << 8, (swing << 8) + 1, (34, 34, 1))
    return _enlarged(quick, size, 32, rng.integers(0, 256, 2))


def _enlarged(grid: np.ndarray, size: int, cells: int, shift: np.ndarray) -> np.ndarray:
    """A grid (cells + 2, cells + 2, C) enlarged bilinearly to (size, size, C), `shift` / 256 cells in."""

    def place(begin: int) -> tuple[np.ndarray, np.ndarray]:
        at = np.arange(size) * (cells * 256) // size + begin
        return at >> 8, at & 255

    row, down = place(int(shift[0]))
    column, right = place(int(shift[1]))
    down, right = down[:, None, None], right[None, :, None]
    rows = grid[row] * (256 - down) + grid[row + 1] * down >> 8
    return rows[:, column] * (256 - right) + rows[:, column + 1] * right >> 8
