"""The history of a training, task by task: a tidy table, one row a record and task and measure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pruning.tasks.tidy_tables import read_table, write_table

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
    write_table(path, COLUMNS, rows)


def read_history(path: str | Path) -> list[dict]:
    """The rows that `write_history` wrote, in their types.

    Raises:
        ValueError: it is another file.
    """
    rows = read_table(path, COLUMNS, "history of tasks", ("step", "epoch", "worst", "value", "quality"))
    return [row | {name: int(row[name]) for name in ("step", "epoch", "worst") if name in row} for row in rows]


def first_measures(rows: Iterable[Mapping]) -> dict[str, dict[str, float]]:
    """{task: {measure: value}} of the record at the beginning of training."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["event"] == "begin" and row["kind"] == "task" and row["measure"] != "loss_factor":
            found.setdefault(row["name"], {})[row["measure"]] = row["value"]
    return found

