"""How much runs were pruned: a ratio of their budget, or MACs that were to be left, which several models can share."""

from __future__ import annotations

import pandas as pd

from experiments.settings.quantities import macs_text
from experiments.table.task_curves import percent

RATIO, MACS = "asked", "macs_asked"  # columns


def amount_column(*tables: pd.DataFrame) -> str:
    """The column that says how much: MACS where every row of all tables has it, else RATIO."""
    in_macs = all(MACS in rows and rows[MACS].notna().all() and len(rows) for rows in tables)
    return MACS if in_macs else RATIO


def amount_text(value: float, column: str) -> str:
    """An amount as text: "50%", or "to 272 MMACs"."""
    return f"to {macs_text(value)}" if column == MACS else percent(value)


def dense_of_that_size(table: pd.DataFrame, macs: float | None = None) -> pd.DataFrame:
    """Rows of dense models whose MACs others were to come down to: beside those, they are what nothing was taken from.

    Args:
        table: of a sweep that compares models.
        macs: of which amount; all if None.

    Returns:
        their dense controls, which had the same training as the pruned ones, where there are any, else themselves.
    """
    found = table[table["stage"].isin(["dense_control", "dense"]) & table[MACS].notna()]
    if macs is not None:
        found = found[found[MACS] == macs]
    return found[found["stage"] == ("dense_control" if (found["stage"] == "dense_control").any() else "dense")]
