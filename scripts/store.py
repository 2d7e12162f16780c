"""What a sweep keeps: a JSON file a run, each stage in it as soon as it is finished, and their table."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from columns import COLUMNS, STAGES, describe
from command import UserError


def fingerprint(settings: dict[str, Any]) -> str:
    """Six characters that stand for settings; give non-default ones, and a new field renames no old run."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


class Store:
    """The finished stages of a sweep, in `folder/runs/<run>.json`, and `folder/runs.csv`.

    Args:
        folder: of the sweep; `runs` in it exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def table(self) -> Path:
        """The table's file."""
        return self.folder / "runs.csv"

    def settings(self, run: str) -> dict[str, Any] | None:
        """Settings of a run that has a finished stage; else None."""
        found = self._read(run)
        return found["settings"] if found else None

    def finished(self, run: str, stage: str) -> bool:
        """Whether a stage is done."""
        found = self._read(run)
        return found is not None and stage in found["stages"]

    def write(self, run: str, settings: dict[str, Any], stage: str, row: dict[str, Any]) -> None:
        """Keep a finished stage, whole or not at all, and renew the table.

        Args:
            run: its name.
            settings: of the run.
            stage: one of STAGES.
            row: column -> value; the columns run and stage are added.
        """
        record = self._read(run) or {"run": run, "settings": settings, "stages": {}}
        values = {name: None if _is_nan(value) else value for name, value in row.items()}
        record["stages"][stage] = {"run": run, "stage": stage, **values}
        write_text(self._path(run), json.dumps(record, indent=1) + "\n")
        self.write_table()

    def write_table(self) -> pd.DataFrame:
        """Make `runs.csv` from the runs, and `columns.md` that says what its columns are."""
        rows = []
        for path in sorted((self.folder / "runs").glob("*.json")):
            rows.extend(self._read(path.stem)["stages"].values())
        table = pd.DataFrame(rows)
        if len(table):
            order = [name for name in COLUMNS if name in table]
            table = table[order + [name for name in table if name not in order]]
            key = table["stage"].map(STAGES.index).clip(upper=STAGES.index("dense_control") + 1)
            table = table.assign(_key=key, _stage=table["stage"].map(STAGES.index))
            by = [name for name in ("_key", "method", "asked", "run", "_stage") if name in table]
            table = table.sort_values(by, kind="stable").drop(columns=["_key", "_stage"])
            write_text(self.table, table.to_csv(index=False))
            write_text(self.folder / "columns.md", describe(table.columns))
        return table

    def _path(self, run: str) -> Path:
        return self.folder / "runs" / f"{run}.json"

    def _read(self, run: str) -> dict[str, Any] | None:
        path = self._path(run)
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error}); delete it to do this run again") from None


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def write_text(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    part = path.with_name(f"part-{path.name}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); what was there is intact") from None
