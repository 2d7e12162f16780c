"""Makes a sweep's table anew from its runs: runs.csv, runs.parquet, columns.md and classes.csv.

The order of rows and columns does not depend on when, or by how many processes, the runs were done.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import filelock
import pandas as pd

from experiments.declaration import Declaration
from experiments.errors import UserError
from experiments.runs.run_folder import RunFolder, write_text, written_whole
from experiments.table.class_table import CLASSES, gathered
from experiments.table.columns import STAGES, columns, describe
from experiments.table.summary_measures import with_bootstrap, with_summary
from experiments.table.sweep_data import read_declaration

_ORDER = (
    "model", "criterion", "arbiter", "scope", "normaliser", "schedule", "budget", "part", "retraining", "asked",
    "input_size", "seed", "repeat", "run",
)  # fmt: skip
_FIRST = ("floor", "dense", "dense_control", "smaller_input")


def make_table(folder: Path) -> pd.DataFrame:
    """The table of a sweep: a row a finished stage.

    Args:
        folder: of the sweep.

    Returns:
        rows and columns in a fixed order; columns without any value are left out.

    Raises:
        UserError: the sweep has no problem.json, or a stage cannot be read.
    """
    return _table(folder, read_declaration(folder))


def _table(folder: Path, problem: Declaration) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for path in sorted((folder / "runs").glob("*/")):
        run = RunFolder(path)
        rows += [run.read(stage) for stage in STAGES if run.finished(stage)]
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table, known = with_summary(_with_deltas(table, problem), problem), columns(problem)
    table = with_bootstrap(table, problem, folder / "runs")
    table = table.reindex(
        columns=[*(name for name in known if name in table), *sorted(name for name in table if name not in known)]
    )
    table = table.dropna(axis="columns", how="all")
    counts = {name: "Int64" for name in table if _are_counts(row.get(name) for row in rows)}
    return _sorted(table).reset_index(drop=True).astype(counts)


def _are_counts(values: Iterable[Any]) -> bool:
    """Whether the values that there are are whole numbers, which stay so beside empty ones."""
    found = [value for value in values if value is not None]
    return bool(found) and all(type(value) is int for value in found)


def _with_deltas(table: pd.DataFrame, problem: Declaration) -> pd.DataFrame:
    """The table with the differences of every measure to the reference of the same seed."""
    if "reference" not in table:
        return table
    tops = table[table["stage"].isin(["dense", "dense_control"])].set_index("run")
    deltas = {
        f"delta_{name}": pd.to_numeric(table[name]) - pd.to_numeric(table["reference"].map(tops[name]))
        for name in problem.measures
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
    """Write a sweep's runs.csv, runs.parquet, columns.md and, where runs know classes, classes.csv; each whole or not.

    Args:
        folder: of the sweep; has runs/ and problem.json.

    Returns:
        the path of runs.csv.

    Raises:
        UserError: there is no sweep, it has no finished stage, or the folder cannot be written.
    """
    if not (folder / "runs").is_dir():
        raise UserError(f"{folder} holds no sweep: there is no folder runs in it")
    path, problem = folder / "runs.csv", read_declaration(folder)
    with filelock.FileLock(folder / "runs" / "lock"):  # another process may be writing the table too
        table = _table(folder, problem)
        if table.empty:
            raise UserError(f"{folder} has no finished stage yet")
        write_text(path, table.to_csv(index=False))
        buffer = io.BytesIO()
        table.to_parquet(buffer, engine="pyarrow", index=False)
        with written_whole(folder / "runs.parquet") as part:
            part.write_bytes(buffer.getvalue())
        write_text(folder / "columns.md", describe(table.columns, problem))
        classes = gathered(folder, table)
        if len(classes):
            write_text(folder / CLASSES, classes.to_csv(index=False, float_format="%.6g"))
    return path
