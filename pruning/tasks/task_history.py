"""The history of a training, task by task: a tidy table, one row a record and task and measure."""

import csv
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = ("step", "epoch", "event", "kind", "name", "measure", "value", "quality", "worst")
TOTAL = "total"  # the name of the row with the whole model's share


@dataclass(frozen=True)
class TaskRecord:
    """What was seen at one moment of a training.

    Attributes:
        step: optimizer updates so far; epoch: from 0 on.
        event: "begin" (of training), "pruned" (right after a cut), or "epoch" (its end).
        gone: part of the model -> share of its prunable filters that is silent; "total": of all.
        asked: the share that the schedule asked for, of whatever its budget is; NaN where nothing was asked yet.
        measured: task -> measure -> value, "loss" among them where it is known.
        quality: task -> its primary measure beside the dense model's; see `TaskMeasures.quality`.
        primary: task -> the name of that measure.
        worst: the task of the lowest quality, or None.
        factors: task -> factor of its loss in force; {} where none changes.
    """

    step: int
    epoch: int
    event: str
    gone: Mapping[str, float]
    asked: float
    measured: Mapping[str, Mapping[str, float]]
    quality: Mapping[str, float]
    primary: Mapping[str, str]
    worst: str | None
    factors: Mapping[str, float] = field(default_factory=dict)

    def rows(self) -> list[dict]:
        """As rows of the table: `kind` is "task", "part" or "model"."""
        when = {"step": self.step, "epoch": self.epoch, "event": self.event}
        found = []
        for part, share in self.gone.items():
            kind = "model" if part == TOTAL else "part"
            found.append({**when, "kind": kind, "name": part, "measure": "filters_gone", "value": share})
        if not math.isnan(self.asked):
            found.append({**when, "kind": "model", "name": TOTAL, "measure": "asked", "value": self.asked})
        for task, values in self.measured.items():
            for measure, value in values.items():
                row = {**when, "kind": "task", "name": task, "measure": measure, "value": value}
                if measure == self.primary.get(task):
                    row |= {"quality": self.quality[task], "worst": int(task == self.worst)}
                found.append(row)
        for task, factor in self.factors.items():
            found.append({**when, "kind": "task", "name": task, "measure": "loss_factor", "value": factor})
        return found


def write_history(path: str | Path, rows: Iterable[Mapping]) -> None:
    """Write the table as CSV, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with open(part, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n", restval="")
        table.writeheader()
        table.writerows({name: _text(value) for name, value in row.items()} for row in rows)
    os.replace(part, path)


def read_history(path: str | Path) -> list[dict]:
    """The rows that `write_history` wrote, in their types.

    Raises:
        ValueError: it is another file.
    """
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} is no history of tasks: expected the columns {', '.join(COLUMNS)}")
        rows = []
        for row in table:
            numbers = {name: float(row[name]) for name in ("value", "quality") if row[name]}
            whole = {name: int(row[name]) for name in ("step", "epoch", "worst") if row[name]}
            rows.append({name: value for name, value in row.items() if value} | numbers | whole)
    return rows


def first_measures(rows: Iterable[Mapping]) -> dict[str, dict[str, float]]:
    """{task: {measure: value}} of the record at the beginning of training."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["event"] == "begin" and row["kind"] == "task" and row["measure"] != "loss_factor":
            found.setdefault(row["name"], {})[row["measure"]] = row["value"]
    return found


def _text(value: object) -> object:
    return f"{value:.7g}" if isinstance(value, float) else value
