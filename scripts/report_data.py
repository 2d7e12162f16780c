"""What the page of a report says, taken from a sweep's files; no HTML here."""

from __future__ import annotations

import json
import re
from typing import Any

import pandas as pd

from curves import COSTS, PRIMARY, counted, final, left, names, percent
from reading import Sweep
from summary import Line, figure, summary

# Shown at first; the other columns come with a click.
SHOWN = (
    "run", "stage", "criterion", "scope", "schedule", "part", "asked", "achieved", "seed", "effective_macs",
    "latency_ratio", *PRIMARY.values(), "bbox_ap", "mask_ap",
)  # fmt: skip
SECTIONS = {
    "summary": "Summary", "verdicts": "What may be said", "plots": "Plots", "table": "All runs",
    "failures": "Failed runs", "recipe": "Settings", "machines": "Where it ran", "columns": "Columns",
}  # fmt: skip
_ANCHORS = {"table": "runs", "recipe": "settings"}
_HEADS = {
    "effective_macs": "GMACs", "latency_ratio": "times as fast", "bbox_refined_iou": "box IoU",
    "class_accuracy": "class accuracy", "mask_iou": "mask IoU", "proposal_ar100": "proposal AR",
    "bbox_ap": "box AP", "mask_ap": "mask AP",
}  # fmt: skip


def contents(page: dict[str, Any]) -> list[tuple[str, str]]:
    """Anchor and title of every section that a page has."""
    return [(_ANCHORS.get(key, key), title) for key, title in SECTIONS.items() if page[key]]


def lead(sweep: Sweep) -> str:
    """A sentence on how much there is."""
    table, curves = sweep.table, names(sweep.table)
    ends = final(table)
    ratios = ", ".join(percent(ratio) for ratio in sorted(ends["asked"].dropna().unique())) or "no ratio yet"
    words = [f"{counted(len(sweep.runs), 'run')} with {counted(len(sweep.seeds), 'seed')}"]
    words.append(f"{', '.join(curves) or 'no finished curve'} at {ratios}")
    failed = len(failures(sweep))
    text = "; ".join(words) + (f"; {counted(failed, 'run')} failed" if failed else "") + "."
    seconds = sum(table[name].sum() for name in table if name.endswith("_seconds"))
    return text + (f" {seconds / 3600:.1f} hours of computing." if seconds >= 360 else "")


def summary_table(sweep: Sweep) -> dict[str, Any]:
    """Means and standard deviations of every setting, as text."""
    columns = [name for name in _HEADS if name in sweep.table]
    lines = summary(sweep.table, columns)
    note = "Filters, or whatever the budget counts, are removed by the ratio; GMACs count the channels that are left."
    seeds = max((line.seeds for line in lines), default=0)
    if seeds > 1:
        note = f"Mean ± standard deviation over {seeds} seeds. {note}"
    elif seeds:
        note = f"One seed: no spread is known, and nothing is ranked. {note}"
    rows = []
    for line in lines:
        name = f"{line.name}, {percent(line.asked)}, {line.stage_text}" if line.name else line.stage_text
        count = f" ({counted(line.seeds, 'seed')})" if line.seeds < seeds else ""
        rows.append([name + count, *(_summary_cell(line, column) for column in columns)])
    return {"note": note, "head": [_HEADS[column] for column in columns], "rows": rows}


def _summary_cell(line: Line, column: str) -> str:
    if column == "effective_macs":
        return figure(line, column, 2, 1e-9, spread=False)
    return figure(line, column, 2, spread=False) if column == "latency_ratio" else figure(line, column)


def table_cells(sweep: Sweep) -> dict[str, Any]:
    """Every row of the table: text to read and a value to sort by."""
    table = sweep.table.dropna(axis="columns", how="all")
    shares = left(sweep.table, "macs")
    if shares.notna().any() and "macs_left" not in table:
        place = table.columns.get_loc(COSTS["macs"].column) + 1
        table = table.copy()
        table.insert(place, "macs_left", shares)
    known = meanings(sweep) | {"macs_left": "effective_macs as a share of the dense model's of the same seed"}
    head = [
        {
            "name": name,
            "number": pd.api.types.is_numeric_dtype(table[name]),
            "shown": name in (*SHOWN, "macs_left") and name != "effective_macs",
            "meaning": known.get(name, ""),
        }
        for name in table
    ]
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return {"head": head, "rows": rows}


def _cell(value: Any) -> dict[str, Any]:
    if pd.isna(value):
        return {"text": "", "value": None}
    if isinstance(value, str):
        return {"text": value, "value": value}
    number = float(value)
    if number == int(number) and abs(number) < 1e15:
        return {"text": f"{int(number):,}".replace(",", " "), "value": int(number)}
    return {"text": f"{number:.4g}" if abs(number) < 1e4 else f"{number:.1f}", "value": number}


def failures(sweep: Sweep) -> dict[str, dict[str, str]]:
    """Run -> the error that stopped it: whole, and its last line."""
    found = {}
    for run in sweep.runs:
        error = sweep.text(run, "error.txt")
        if error and error.strip():
            found[run] = {"text": error.strip(), "last": error.strip().splitlines()[-1]}
    return found


def recipe_text(sweep: Sweep) -> str:
    """The recipe as it was read; "" if there is none."""
    path = sweep.folder / "recipe.yaml"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def machines(sweep: Sweep) -> list[dict[str, Any]]:
    """What the runs were made with, and which runs were made alike: machine, versions, commit."""
    groups: dict[str, dict[str, Any]] = {}
    for run in sweep.runs:
        record = sweep.json(run, "record.json")
        if record is None:
            continue
        facts = dict(_flat({key: record.get(key) for key in ("git", "machine", "threads", "versions")}))
        facts = {key: value for key, value in facts.items() if value not in (None, "", [])}
        group = groups.setdefault(json.dumps(facts, sort_keys=True), {"facts": facts, "runs": [], "times": []})
        group["runs"].append(run)
        group["times"] += [record[key] for key in ("started", "finished") if record.get(key)]
    for group in groups.values():
        if group["times"]:
            group["facts"] = {**group["facts"], "from": min(group["times"]), "to": max(group["times"])}
    return list(groups.values())


def _flat(facts: dict[str, Any], prefix: str = ""):
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{key}: " if key not in ("git", "machine") else "")
        elif key == "memory_bytes" and value:
            yield "memory", f"{value / 2**30:.0f} GiB"
        else:
            yield prefix + key, ", ".join(map(str, value)) if isinstance(value, list) else value


def meanings(sweep: Sweep) -> dict[str, str]:
    """Column -> what it means, from columns.md."""
    path = sweep.folder / "columns.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return dict(re.findall(r"^- `(\w+)`: (.*)$", text, flags=re.MULTILINE))
