"""Outlines of the hard level's objects as integer polygons, and how they are filled.

Everything is integer arithmetic on a table of cosines, so that every machine draws the same pixels.
Points are in 1/UNIT of half the object's size.
"""

from __future__ import annotations

import numpy as np

UNIT = 1024
TURN = 256  # angles are counted in 1/256 of a turn; also the points of an outline

# 14 bits: no entry lies near a tie, so every libm rounds to this table.
_COS = np.round(np.cos(2 * np.pi * np.arange(TURN) / TURN) * 2**14).astype(np.int64)


def cos(angle: np.ndarray | int) -> np.ndarray:
    """2**14 times the cosine of `angle` (1/256 turn), int64."""
    return _COS[np.asarray(angle) % TURN]


def sin(angle: np.ndarray | int) -> np.ndarray:
    """2**14 times the sine of `angle` (1/256 turn), int64."""
    return cos(np.asarray(angle) - TURN // 4)


_ANGLES = np.arange(TURN)


def disc(radius: int = UNIT) -> np.ndarray:
    """Points (TURN, 2) int64, (x, y), of a circle of `radius` (1/UNIT)."""
    return np.stack([cos(_ANGLES), sin(_ANGLES)], axis=1) * radius >> 14


def box() -> np.ndarray:
    """Points (TURN, 2) of a square of the unit circle's area, evenly along its sides."""
    side = TURN // 4
    along = (2 * np.arange(side) * UNIT // side) - UNIT
    edge = np.full(side, UNIT)
    points = np.concatenate(
        [
            np.stack([edge, along], axis=1),
            np.stack([-along, edge], axis=1),
            np.stack([-edge, -along], axis=1),
            np.stack([along, -edge], axis=1),
        ]
    )
    return points * 907 >> 10  # sqrt(pi) / 2


def star(depth: int) -> np.ndarray:
    """Points (TURN, 2) of a star of five points; `depth` (1/UNIT) is how far the notches reach in."""
    phase = _ANGLES * 5 % TURN  # 0 at a tip, TURN / 2 in a notch
    notch = np.minimum(phase, TURN - phase) * 2  # 0 .. TURN
    return disc() * (UNIT - depth * notch // TURN)[:, None] >> 10


def flower(depth: int) -> np.ndarray:
    """Points (TURN, 2) of a flower of five round petals; `depth` (1/UNIT) as for `star`."""
    phase = (_ANGLES * 5 // 2) % (
        TURN // 2
    )  # half a turn for each petal: |cos| has round tops and sharp notches
    petal = np.abs(cos(phase))
    return disc() * (UNIT - depth * (2**14 - petal) // 2**14)[:, None] >> 10


def stretched(points: np.ndarray, short: int) -> np.ndarray:
    """Points with y scaled by `short` / UNIT."""
    return points * np.array([UNIT, short]) >> 10


def wavy(points: np.ndarray, amplitudes: np.ndarray, phases: np.ndarray, first: int = 2) -> np.ndarray:
    """Points moved along their radius by a Fourier series over the outline.

    Args:
        points: (TURN, 2) int64.
        amplitudes: (K,) int64, 1/UNIT of the radius, of harmonics `first`, `first` + 1, ...
        phases: (K,) int64, 1/256 turn.
    """
    harmonics = np.arange(first, first + len(amplitudes))
    waves = cos(harmonics[:, None] * _ANGLES[None] + phases[:, None])
    factor = UNIT + (amplitudes[:, None] * waves).sum(axis=0) // 2**14
    return points * factor[:, None] >> 10


def placed(points: np.ndarray, half: int, angle: int) -> np.ndarray:
    """Points turned by `angle` (1/256 turn) and scaled to `half` (1/16 px): int64, 1/256 px."""
    x, y = points[:, 0], points[:, 1]
    c, s = cos(angle), sin(angle)
    turned = np.stack([x * c - y * s, x * s + y * c], axis=1) >> 14
    return turned * half * 16 >> 10


def filled(points: np.ndarray, size: int) -> np.ndarray:
    """Pixels whose centre is inside the outline, by the even-odd rule.

    Args:
        points: (K, 2) int64, (x, y) in 1/256 px, closed by itself.
        size: height and width of the picture.

    Returns:
        (size, size) bool.
    """
    x0, y0 = points[:, 0], points[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    top = max(0, int(y0.min()) >> 8)
    bottom = min(size, (int(y0.max()) >> 8) + 1)
    mask = np.zeros((size, size), bool)
    if top >= bottom:
        return mask
    centres = np.arange(top, bottom)[:, None] * 256 + 128
    row, edge = np.nonzero((y0 <= centres) != (y1 <= centres))
    # First pixel whose centre is at or right of the crossing.
    rise = (y1 - y0)[edge]
    run = (centres[row, 0] - y0[edge]) * (x1 - x0)[edge]
    crossing = x0[edge] + run // rise
    column = np.clip((crossing + 127) >> 8, 0, size)
    toggles = np.bincount(row * (size + 1) + column, minlength=(bottom - top) * (size + 1))
    inside = np.cumsum(toggles.reshape(-1, size + 1), axis=1) & 1
    mask[top:bottom] = inside[:, :size].astype(bool)
    return mask
