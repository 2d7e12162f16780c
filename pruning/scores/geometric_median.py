"""Filters near the geometric median of their layer, which the others can stand in for (He et al., CVPR 2019)."""

from dataclasses import dataclass

import numpy as np

from pruning.graph.groups import Group
from pruning.scores.magnitude import FilterCriterion, array

_COLUMNS = 1 << 20  # numbers in a block of the filters' matrix, so that a wide Dense needs no copy of itself in float64


@dataclass(frozen=True)
class FPGM(FilterCriterion):
    """Distance of a channel's filter to all others of its layer: the most replaceable go first.

    s_j = sum over k of |F_j - F_k|_2, k over the living channels: He et al., "Filter Pruning via Geometric Median for
    Deep Convolutional Neural Networks Acceleration", CVPR 2019, equation 4 (the filter that minimises it is nearest to
    the geometric median). Where several layers make a channel (a residual stream), its filters in all of them are
    one vector.

    Args:
        relative: see `FilterCriterion`.
    """

    def of_filters(self, group: Group, alive: np.ndarray) -> np.ndarray:
        found = np.zeros(group.size)
        products = _products(group)[np.ix_(alive, alive)]
        squares = np.diag(products)
        distances = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * products, 0.0))
        np.fill_diagonal(distances, 0.0)
        found[alive] = distances.sum(axis=1)
        return found


def _products(group: Group) -> np.ndarray:
    """Inner products of the channels' filters, float64 (size, size)."""
    total = np.zeros((group.size, group.size))
    for member in group.producers:
        for part in member.parts:
            if not part.slice.kernel:
                continue
            rows = np.moveaxis(array(part.slice.variable), part.slice.axis, 0)
            rows = rows.reshape(len(rows), -1)
            for units, positions in _turns(part.units, part.positions):
                filters = rows[positions]
                step = max(1, _COLUMNS // max(len(positions), 1))
                for start in range(0, filters.shape[1], step):
                    block = filters[:, start : start + step].astype(np.float64)
                    total[np.ix_(units, units)] += block @ block.T
    return total


def _turns(units: np.ndarray, positions: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Units and positions, each unit at most once a turn: the first filter of every channel, the second, ..."""
    order = np.argsort(units, kind="stable")
    units, positions = units[order], positions[order]
    starts = np.flatnonzero(np.r_[True, units[1:] != units[:-1]])
    turn = np.arange(len(units)) - np.repeat(starts, np.diff(np.r_[starts, len(units)]))
    return [(units[turn == number], positions[turn == number]) for number in range(int(turn.max()) + 1)]
