"""What pruning notes on a variable, for as long as the variable lives: its mask, and where it was cut from."""

from typing import Any

import numpy as np

_MASK = "_pruning_mask"
_POSITIONS = "_pruning_positions"


def note_mask(variable: Any, keep: np.ndarray | None) -> None:
    """Note that a variable is masked where `keep` (bool, of its shape) is False; None or all True: nowhere."""
    setattr(variable, _MASK, None if keep is None or keep.all() else keep)


def noted_mask(variable: Any) -> np.ndarray | None:
    """What `note_mask` noted, or None."""
    return getattr(variable, _MASK, None)


def note_positions(variable: Any, stays: np.ndarray) -> None:
    """Note on a vector of a smaller model which positions of the first model's vector it holds (bool)."""
    setattr(variable, _POSITIONS, stays)


def noted_positions(variable: Any) -> np.ndarray | None:
    """What `note_positions` noted, or None."""
    return getattr(variable, _POSITIONS, None)
