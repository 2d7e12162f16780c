"""What the page of a report says, taken from a sweep's files; no HTML here."""

from __future__ import annotations

import json
import re
from typing import Any

import pandas as pd

from experiments.settings.recipe import COMPRESSIONS
from experiments.table.amounts import MACS, amount_column, amount_text
from experiments.table.claims.margins import margins_question, within_margins
from experiments.table.claims.verdicts import cautions, compare_all, sentence
from experiments.table.columns import SECONDS
from experiments.table.selection import every_curve
from experiments.table.summary import Line, figure, summary
from experiments.table.sweep_data import Sweep
from experiments.table.task_curves import COSTS, counted, final_rows, names, remaining, several_models

# Shown at first, besides the measures of summaries; the other columns come with a click.
SHOWN = (
    "run", "stage", "model", "criterion", "scope", "schedule", "part", "macs_asked", "asked", "achieved", "input_size",
    "seed", "effective_macs", "latency_ratio", "latency_first_ratio", "step_seconds",
)  # fmt: skip
SECTIONS = {
    "summary": "Summary", "drops": "What each task lost", "verdicts": "What may be said", "plots": "Plots",
    "table": "All runs", "failures": "Failed runs", "recipe": "Settings", "machines": "Where it ran",
    "columns": "Columns",
}  # fmt: skip
_ANCHORS = {"table": "runs", "recipe": "settings"}
_MACS = "effective_macs"
_MOST_PAIRS = 15
_UNITS = ((1e8, "GMACs", 1e-9), (1e5, "MMACs", 1e-6), (0, "kMACs", 1e-3))  # from so many MACs: unit and factor


def contents(page: dict[str, Any]) -> list[tuple[str, str]]:
    """Anchor and title of every section that a page has."""
    there = page | {
        "drops": page["drops"]["rows"],
        "verdicts": page["verdicts"]["pairs"] or page["margins"]["lines"],
        "plots": page["plots"] or page["skipped"],
    }
    return [(_ANCHORS.get(key, key), title) for key, title in SECTIONS.items() if there[key]]


def lead(sweep: Sweep) -> str:
    """A sentence on how much there is."""
    table, curves = sweep.table, names(sweep.table)
    ends = final_rows(table)
    column = amount_column(ends)
    ratios = ", ".join(amount_text(one, column) for one in sorted(ends[column].dropna().unique())) or "no ratio yet"
    words = [f"{counted(len(sweep.runs), 'run')} with {counted(len(sweep.seeds), 'seed')}"]
    words.append(f"{', '.join(curves) or 'no finished curve'} {'' if column == MACS else 'at '}{ratios}")
    failed = len(failures(sweep))
    text = "; ".join(words) + (f"; {counted(failed, 'run')} failed" if failed else "") + "."
    text += "".join(f" {run} is left out: {reason}." for run, reason in left_out(sweep).items())
    seconds = sum(table[name].sum() for name in SECONDS if name in table)
    return text + (f" {seconds / 3600:.1f} hours of computing." if seconds >= 360 else "")


def summary_table(sweep: Sweep) -> dict[str, Any]:
    """Means and standard deviations of every setting, as text."""
    unit, factor = macs_unit(sweep.table)
    heads = {_MACS: unit, COSTS["latency"].column_of(sweep.table): "times as fast"}
    if sweep.table["stage"].isin(COMPRESSIONS).any():
        heads |= {"file_bytes": "file, kB", "file_gzip_bytes": "gzipped, kB"}
    heads |= sweep.problem.heads
    heads = {column: head for column, head in heads.items() if column in sweep.table}
    lines = summary(sweep.table, list(heads))
    in_macs = amount_column(final_rows(sweep.table)) == MACS
    notes = ["Networks are pruned to the MACs that their lines say"] if in_macs else [
        "Filters, or whatever the budget counts, are removed by the ratio"
    ]  # fmt: skip
    if several_models(sweep.table):
        notes.append("times as fast: beside the first of the dense models")
    notes += [f"{unit} count the channels that are left"] if _MACS in heads else []
    lower = [head for column, head in heads.items() if _lower_is_better(sweep, column)]
    notes += [f"lower is better: {', '.join(lower)}"] if lower else []
    note, seeds = "; ".join(notes) + ".", max((line.seeds for line in lines), default=0)
    if seeds > 1:
        note = f"Mean ± standard deviation over {seeds} seeds. {note}"
    elif seeds:
        note = f"One seed: no spread is known, and nothing is ranked. {note}"
    rows = []
    for line in lines:
        name = ", ".join(filter(None, (line.name, line.amount, line.stage_text)))
        count = f" ({counted(line.seeds, 'seed')})" if line.seeds < seeds else ""
        rows.append([name + count, *(_summary_cell(line, column, factor) for column in heads)])
    return {"note": note, "head": list(heads.values()), "rows": rows}


def macs_unit(table: pd.DataFrame) -> tuple[str, float]:
    """The unit in which a sweep's MACs have few digits before the point, and what they are multiplied by."""
    most = table[_MACS].max() if _MACS in table else 0
    return next((unit, factor) for least, unit, factor in _UNITS if not most < least)


def _lower_is_better(sweep: Sweep, column: str) -> bool:
    measure = sweep.problem.measures.get(column)
    return measure is not None and measure.higher_is_better is False


def _summary_cell(line: Line, column: str, factor: float) -> str:
    if column == _MACS:
        return figure(line, column, 2, factor, spread=False)
    if column.endswith("_bytes"):
        return figure(line, column, 1, 1e-3, spread=False)
    return figure(line, column, 2, spread=False) if column.startswith("latency_") else figure(line, column)


def verdicts(sweep: Sweep) -> dict[str, Any]:
    """The comparisons of all pairs of curves, in words, corrected together.

    The last curve, random, is the second of a pair where it is one. With very many curves only the pairs with it are
    made.

    Returns:
        pairs: a title, and lines that are claims or not; correction: over how many contrasts Holm ran, "" if there is
        no p at all.
    """
    every = every_curve(sweep)
    pairs = [(a, b) for number, a in enumerate(every) for b in every[number + 1 :]]
    if len(pairs) > _MOST_PAIRS:
        pairs = [(one, every[-1]) for one in every[:-1]]
    found = []
    results = compare_all(pairs, "report")
    for result in results:
        lines = [(sentence(contrast, result.names), contrast.claimed) for contrast in result.contrasts]
        lines += [(line, False) for line in cautions(result)]
        found.append({"title": " against ".join(result.names), "lines": lines})
    return {"pairs": found, "correction": results[0].correction if results else ""}


def margins(sweep: Sweep) -> dict[str, Any]:
    """Whether each curve stays within the problem's margins of the dense control: the question, and a line a ratio."""
    if not sweep.problem.margins:
        return {"question": "", "lines": []}
    lines = [line for curve in every_curve(sweep) for line in within_margins(curve)]
    return {"question": margins_question(sweep.problem), "lines": lines}


def table_cells(sweep: Sweep) -> dict[str, Any]:
    """Every row of the table: text to read and a value to sort by."""
    table = sweep.table.dropna(axis="columns", how="all")
    shares = remaining(sweep.table, "macs")
    if shares.notna().any() and "macs_remaining" not in table:
        place = table.columns.get_loc(COSTS["macs"].column) + 1
        table = table.copy()
        table.insert(place, "macs_remaining", shares)
    known = meanings(sweep) | {
        "macs_remaining": "effective_macs as a share of the dense model's of the same seed; of the largest one's where "
        "models are compared"
    }
    head = [
        {
            "name": name,
            "number": pd.api.types.is_numeric_dtype(table[name]),
            "shown": name in (*SHOWN, *sweep.problem.heads, "macs_remaining") and name != _MACS,
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


def left_out(sweep: Sweep) -> dict[str, str]:
    """Run of the grid that there was nothing to do for -> why."""
    found = {run: sweep.json(run, "left_out.json") for run in sweep.runs}
    return {run: content["reason"] for run, content in found.items() if content}


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
