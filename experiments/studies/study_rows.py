"""What a study keeps: a JSON file a unit of work, and one tidy table of them all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import pandas as pd

from experiments.errors import UserError
from experiments.runs.run_folder import plain, write_text


def unit(folder: Path, name: str, make: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of one unit of work: read if it is done, else made and written, whole.

    Args:
        folder: of the study.
        name: of the unit.
        make: gives its rows.
    """
    path = _path(folder, name)
    if path.exists():
        return _read(path)
    rows = plain(make())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(rows, indent=1) + "\n")
    return rows


@contextmanager
def claimed(folder: Path, name: str) -> Iterator[bool]:
    """Hold a unit of work for this process, so that the same study started twice does none of it twice.

    Args:
        folder: of the study.
        name: of the unit.

    Yields:
        False where another process is at it; the system lets go of what a process held when it ends, however it ends.
    """
    path = folder / "units" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path, blocking=False, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def finished(folder: Path, names: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of those units that are done, in this order."""
    return [row for name in names if _path(folder, name).exists() for row in _read(_path(folder, name))]


def _path(folder: Path, name: str) -> Path:
    return folder / "units" / f"{name}.json"


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} cannot be read ({error}); delete it to do this part again") from None


def write_rows(folder: Path, name: str, rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Write rows as `name`.csv, figures to six places."""
    table = pd.DataFrame(list(rows))
    write_text(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    return table


def mean_and_spread(table: pd.DataFrame, keys: list[str], values: list[str], scale: float = 1.0) -> pd.DataFrame:
    """Means over seeds with their standard deviations, as text: "0.93 ± 0.02"; rows in the order of the table."""

    def text(part: pd.Series) -> str:
        spread = f" ± {part.std() * scale:.2f}" if part.count() > 1 else ""
        return f"{part.mean() * scale:.2f}{spread}"

    return table.groupby(keys, sort=False, dropna=False)[values].agg(text).reset_index()


def as_markdown(table: pd.DataFrame) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join("" if value is None else str(value) for value in row) + " |" for row in table.values]
    return "\n".join(lines)
