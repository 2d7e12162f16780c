"""Make a sweep's table anew from its runs: table.py results/shapes

Writes runs.csv, runs.parquet and columns.md. The order of rows and columns does not depend on when, or by how many
processes, the runs were done.
"""

from __future__ import annotations

import fcntl
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro

import boot  # noqa: F401
from columns import COLUMNS, DELTAS, STAGES, describe
from command import UserError, guarded
from store import RunFolder, whole, write_text

_ORDER = (
    "criterion", "arbiter", "scope", "schedule", "budget", "part", "retraining", "asked", "seed", "repeat", "run",
)  # fmt: skip
_FIRST = ("floor", "dense", "dense_control")
_DELTA_OF = {delta: delta.removeprefix("delta_") for delta in DELTAS}


def make_table(folder: Path) -> pd.DataFrame:
    """The table of a sweep: a row a finished stage.

    Args:
        folder: of the sweep.

    Returns:
        rows and columns in a fixed order; columns without any value are left out.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted((folder / "runs").glob("*/")):
        run = RunFolder(path)
        rows += [run.read(stage) for stage in STAGES if run.finished(stage)]
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table = _with_deltas(table)
    table = table.reindex(
        columns=[*(name for name in COLUMNS if name in table), *sorted(name for name in table if name not in COLUMNS)]
    )
    table = table.dropna(axis="columns", how="all")
    counts = {name: "Int64" for name in table if _counts(row.get(name) for row in rows)}
    return _sorted(table).reset_index(drop=True).astype(counts)


def _counts(values: Iterable[Any]) -> bool:
    """Whether the values that there are are whole numbers, which stay so beside empty ones."""
    found = [value for value in values if value is not None]
    return bool(found) and all(type(value) is int for value in found)


def _with_deltas(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that are differences to the reference of the same seed."""
    if "reference" not in table:
        return table
    tops = table[table["stage"].isin(["dense", "dense_control"])].set_index("run")
    deltas = {
        delta: pd.to_numeric(table[name]) - pd.to_numeric(table["reference"].map(tops[name]))
        for delta, name in _DELTA_OF.items()
        if name in table
    }
    return pd.concat([table, pd.DataFrame(deltas)], axis="columns")


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """References first, then the runs by their settings, each in the order of its stages."""
    stages = list(STAGES)
    keys = pd.DataFrame({"_first": table["stage"].map(lambda stage: _FIRST.index(stage) if stage in _FIRST else 9)})
    for name in _ORDER:
        if name in table:
            column = table[name]
            keys[name] = column if pd.api.types.is_numeric_dtype(column) else column.fillna("").astype(str)
    keys["_stage"] = table["stage"].map(stages.index)
    return table.loc[keys.sort_values(list(keys), kind="stable", na_position="first").index]


def write_table(folder: Path) -> Path:
    """Write a sweep's runs.csv, runs.parquet and columns.md, each whole or not at all.

    Returns:
        the path of runs.csv.

    Raises:
        UserError: there is no sweep, it has no finished stage, or the folder cannot be written.
    """
    if not (folder / "runs").is_dir():
        raise UserError(f"{folder} holds no sweep: there is no folder runs in it")
    path = folder / "runs.csv"
    with open(folder / "runs" / "lock", "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be writing it too
        table = make_table(folder)
        if table.empty:
            raise UserError(f"{folder} has no finished stage yet")
        write_text(path, table.to_csv(index=False))
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        with whole(folder / "runs.parquet") as part:
            part.write_bytes(buffer.getvalue())
        write_text(folder / "columns.md", describe(table.columns))
    return path


def main() -> int:
    def command(folder: Annotated[Path, tyro.conf.Positional]) -> Path:
        """Make a sweep's table anew.

        Args:
            folder: of the sweep; has runs/.
        """
        return write_table(folder)

    print(tyro.cli(command, description=__doc__))
    return 0


if __name__ == "__main__":
    guarded(main)
