"""Tidy tables as CSV files: a row a fact, written whole or not at all."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def write_table(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows; a value that a row lacks is empty.

    Args:
        path: of the CSV file; folders are made.
        columns: in their order; a row may have no others.
        rows: column -> value.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with open(part, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n", restval="")
        table.writeheader()
        table.writerows({name: _text(value) for name, value in row.items()} for row in rows)
    os.replace(part, path)


def read_table(path: str | Path, columns: Sequence[str], what: str, numbers: Sequence[str] = ()) -> list[dict]:
    """Read what `write_table` wrote, in a spreadsheet or by hand edited rows too.

    Args:
        path: of the file.
        columns: that it must have.
        what: it should be, for the message.
        numbers: columns whose values are floats.

    Returns:
        rows without their empty values.

    Raises:
        ValueError: another file, or a value that is no number; names the line.
    """
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        missing = [name for name in columns if name not in (table.fieldnames or ())]
        if missing:
            raise ValueError(f"{path} is no {what}: it has no column {missing[0]!r}; expected {', '.join(columns)}")
        rows = []
        for row in table:
            found: dict[str, Any] = {name: row[name] for name in columns if row[name]}
            for name in numbers:
                if name in found:
                    try:
                        found[name] = float(found[name])
                    except ValueError:
                        raise ValueError(
                            f"{path}, line {table.line_num}: {name} is {found[name]!r}; expected a number"
                        ) from None
            rows.append(found)
    return rows


def _text(value: Any) -> Any:
    return f"{value:.7g}" if isinstance(value, float) else value
