"""A sweep's folder, read: its table, and the files beside each run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import pruning
from command import UserError

NEEDED = ("run", "stage", "seed")
# What sets one curve of a plot apart from another, the strongest first; a table may lack any of them.
SETTINGS = ("criterion", "arbiter", "scope", "schedule", "budget", "part", "retraining")


@dataclass(frozen=True)
class Sweep:
    """What a sweep has written so far.

    Attributes:
        folder: `results/<name>`.
        table: rows of `runs.csv`; the columns of SETTINGS, `asked` and `reference` are always there, empty if the
            file lacks them.
    """

    folder: Path
    table: pd.DataFrame

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def runs(self) -> list[str]:
        """Names of all runs: those of the table, then those that have no row (yet)."""
        known = list(dict.fromkeys(self.table["run"]))
        folders = sorted(path.name for path in (self.folder / "runs").glob("*") if path.is_dir())
        return known + [name for name in folders if name not in known]

    @property
    def seeds(self) -> list[int]:
        return sorted(int(seed) for seed in self.table["seed"].dropna().unique())

    def path(self, run: str, name: str) -> Path:
        """Where a file of a run lies, if there is one."""
        return self.folder / "runs" / run / name

    def text(self, run: str, name: str) -> str | None:
        """A text file of a run; None if there is none."""
        path = self.path(run, name)
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def json(self, run: str, name: str) -> dict[str, Any] | None:
        """A JSON file of a run; None if there is none.

        Raises:
            UserError: the file is there and is no JSON.
        """
        text = self.text(run, name)
        try:
            return None if text is None else json.loads(text)
        except ValueError as error:
            raise UserError(f"{self.path(run, name)} is not JSON ({error}); delete it and do the run again") from None

    def history(self, run: str) -> pd.DataFrame | None:
        """Losses over the steps of a run's training; None if it has none."""
        path = self.path(run, "history.csv")
        return pd.read_csv(path) if path.is_file() else None

    def plan(self, run: str) -> pruning.Plan | None:
        """What was removed in a run; None if nothing was.

        Raises:
            UserError: the file is there and is no plan.
        """
        path = self.path(run, "plan.json")
        try:
            return pruning.Plan.load(path) if path.is_file() else None
        except ValueError as error:
            raise UserError(str(error)) from None


def read(folder: Path) -> Sweep:
    """Read a sweep's folder.

    Raises:
        UserError: it has no table, or the table is none of a sweep.
    """
    path = folder / "runs.csv"
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table ({error}); scripts/sweep.py writes it") from None
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}: it is not the table of a sweep, or an old one")
    lacking = [name for name in (*SETTINGS, "asked", "reference") if name not in table]
    empty = pd.DataFrame({name: math.nan if name == "asked" else None for name in lacking}, index=table.index)
    return Sweep(folder, pd.concat([table, empty], axis=1).copy())
