"""Write the figures of README.md and of pages in docs/ from results/.

Each block between markers is made from a file that a sweep wrote. `python scripts/figures.py` rewrites the blocks of
all pages; with --check it only says whether they are up to date.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import yaml

from experiments.problems.maskrcnn.maskrcnn_phases import PHASES
from experiments.report.content import macs_unit, verdicts
from experiments.report.findings_tables import classes, contrasts, losses
from experiments.report.speed_tables import (
    beside_torchvision,
    coco_evaluation,
    curves,
    depth_growth,
    large_batch,
    memory,
    removal,
    training_steps,
)
from experiments.settings.recipe import COMPRESSIONS
from experiments.table.claims.noise import SEEDS, noise
from experiments.table.summary import Line, figure, summary
from experiments.table.sweep_data import read, read_declaration
from experiments.table.task_curves import models_by_size

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", *(f"docs/{name}.md" for name in (
    "backbones", "compress", "export", "faster_rcnn", "findings", "original_experiment", "results", "retrain",
    "retraining", "speed", "tasks",
)))  # fmt: skip
BLOCK = re.compile(r"(<!-- figures: (\w+)((?: [0-9.]+)*) from (\S+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
BUDGETS = {"params": "parameters", "macs": "MACs"}
Ratios = tuple[float, ...]
# Sweeps made while `l1` was the name of what is `group_l1` now; one that is made again leaves this list.
OF_VERSION_0_1 = {
    "backbones", "backbones_facades", "balloon", "digits_int8", "digits_retraining", "faster_rcnn",
    "noise_pilot", "shapes_hard_reference", "shapes_parts",
}  # fmt: skip
TABLES = ("sweep", "ends", "noise", "models")  # makers of tables whose rows have names of criteria, or are of one


def _rows(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def sweep(path: Path, ratios: Ratios = (), ends_only: bool = False) -> str:
    """Every setting beside the dense model, its control and the floor: means, and spread where there are seeds.

    Args:
        path: of runs.csv.
        ratios: those to show; all if empty.
        ends_only: without what was measured right after pruning.
    """
    found = read(path.parent)
    heads, (unit, factor) = found.problem.heads, macs_unit(found.table)
    pressed = found.table["stage"].isin(COMPRESSIONS).any()
    sizes = {"file_bytes": "file, kB", "file_gzip_bytes": "gzipped, kB"} if pressed else {}
    lines = summary(found.table, ["effective_macs", "latency_ratio", *sizes, *heads])
    lines = [line for line in lines if not (ends_only and line.stage == "pruned")]
    lines = [line for line in lines if not (ratios and line.name and line.asked not in ratios)]
    counts = sorted({line.seeds for line in lines})
    seeds, told = counts[-1], " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    timed = "latency_ratio" in found.table and found.table["latency_ratio"].notna().any()
    rows = []
    for line in lines:
        cells = [figure(line, "effective_macs", 2, factor, spread=False)]
        if timed:
            cells.append(figure(line, "latency_ratio", 1, spread=False))
        cells += [figure(line, column, 1, 1e-3, spread=False) for column in sizes]
        rows.append([_name(line), *cells, *(figure(line, column) for column in heads)])
    head = f"mean ± standard deviation of {told} seeds" if seeds > 1 else ""
    timing = ["times as fast"] if timed else []
    return _rows([head, unit, *timing, *sizes.values(), *heads.values()], rows)


def ends(path: Path, ratios: Ratios = ()) -> str:
    """The same without what was measured right after pruning."""
    return sweep(path, ratios, ends_only=True)


def _name(line: Line) -> str:
    if not line.amount:
        return {"floor": "floor"}.get(line.stage, ", ".join(filter(None, (line.name, line.stage_text))))
    stage = {"final": "fine-tuned", "scratch": "trained from scratch"}.get(line.stage, line.stage_text)
    of = "" if line.amount.startswith("to ") else f" of the {BUDGETS.get(line.budget, line.budget)}"
    return f"{line.name}, {line.amount}{of}, {stage}"


def dense(path: Path, ratios: Ratios = ()) -> str:
    """A dense Mask R-CNN in one row, beside its floor, from what `taskprune evaluate` wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    heads = read_declaration(ROOT / "results" / "shapes_hard_reference").heads

    def row(name: str, measures: dict) -> list[str]:
        flat = {f"{task}_{key}": value for task, values in measures.items() for key, value in values.items()}
        return [name, *("" if pd.isna(flat[column]) else f"{flat[column]:.3f}" for column in heads)]

    return _rows(["", *heads.values()], [row("floor", found["floors"]), row("dense", found["measures"])])


def networks(path: Path, ratios: Ratios = ()) -> str:
    """Networks trained and pruned on the same data, side by side; `path` is a pattern, of runs.csv of each sweep."""
    rows: list[list[str]] = []
    for file in sorted(ROOT.glob(str(path.relative_to(ROOT)))):
        found, recipe = read(file.parent), yaml.safe_load((file.parent / "recipe.yaml").read_text(encoding="utf-8"))
        heads, table = found.problem.heads, found.table
        start = "ImageNet" if recipe["model"].get("backbone_weights") else "nothing"
        dense = table.query("stage == 'dense'").iloc[0]
        step = dense["train_seconds"] / recipe["training"]["steps"]
        for name, row in (("dense", dense), ("pruned", table.query("stage == 'removed'").iloc[0])):
            rows.append([
                file.parent.name.split("_")[1], f"{recipe['model']['backbone']}, from {start}", name,
                f"{row['macs'] / 1e9:.2f}", f"{row['params'] / 1e6:.1f}", f"{step:.2f}" if name == "dense" else "",
                *(f"{row[column]:.3f}" for column in heads),
            ])  # fmt: skip
    return _rows(["data", "backbone", "", "GMACs", "M parameters", "s a step", *heads.values()], rows)


def models(path: Path, ratios: Ratios = ()) -> str:
    """Models of one sweep side by side, each dense, with the extra training of the pruned ones, and pruned."""
    found = read(path.parent)
    heads, order = found.problem.heads, models_by_size(found.table)
    costs = {  # column -> title, factor, digits
        "effective_params": ("M parameters", 1e-6, 2),
        "effective_macs": ("MMACs", 1e-6, 0),
        "file_bytes": ("file, MB", 1e-6, 1),
        "latency_ms": ("ms a picture", 1.0, 1),
        "latency_first_ratio": ("times as fast", 1.0, 2),
        "step_seconds": ("s a step", 1.0, 3),
    }
    lines = [line for line in summary(found.table, [*costs, *heads]) if line.stage != "pruned"]
    lines.sort(key=lambda line: order.index(line.name.split(", ")[0]) if line.name else -1)
    rows = []
    for line in lines:
        cells = [figure(line, column, digits, factor, spread=False) for column, (_, factor, digits) in costs.items()]
        text = f"pruned {line.amount}" if line.stage == "final" else line.stage_text
        name = f"{line.name}, {text}" if line.name else "floor: no model"
        rows.append([name, *cells, *(figure(line, column) for column in heads)])
    return _rows(["", *(title for title, _, _ in costs.values()), *heads.values()], rows)


def chance(path: Path, ratios: Ratios = ()) -> str:
    """The noise pilot's spreads."""
    pilot = read(path.parent)
    heads = {"dense": "dense, over seeds", "repeated": "fine-tuning repeated", "cost": "cost of pruning"}
    heads |= {f"seen_by_{count}": f"{count} seeds see" for count in SEEDS}
    rows = [
        [pilot.problem.heads[str(measure)], *(f"{row[column]:.4f}" for column in heads)]
        for measure, row in noise(pilot).iterrows()
    ]
    return _rows(["standard deviation", *heads.values()], rows)


def claims(path: Path, ratios: Ratios = ()) -> str:
    """What may be said about every two curves of a sweep, task by task, and over what it is corrected."""
    found = verdicts(read(path.parent))
    lines = [f"{found['correction']}:\n"] if found["correction"] else []
    for pair in found["pairs"]:
        lines.append(f"- {pair['title']}")
        lines += [f"  - {text}" for text, _ in pair["lines"]]
    return "\n".join(lines) + "\n"


def recalibration(path: Path, ratios: Ratios = ()) -> str:
    """Each data set's dense model, the pruned one, and the pruned one with batch norms estimated anew or mended.

    Args:
        path: folder of the sweeps <data>_relative and, where that differs, <data>_plain.
    """
    rows, heads = [], {}
    for folder in sorted(path.glob("*_relative")):
        data = folder.name.removesuffix("_relative")
        found, plain = read(folder), path / f"{data}_plain"
        table, heads = found.table.set_index("stage"), found.problem.heads
        stages = {"dense": table.loc["dense"], "pruned": table.loc["pruned"]}
        if (plain / "runs.csv").exists():
            other = read(plain).table.set_index("stage")
            if "recalibrated" in other.index:  # it may be unfinished
                stages["pruned, plain"] = other.loc["recalibrated"]
        stages["pruned, relative"] = table.loc["recalibrated"]
        rows += [[data, name, *(f"{row[column]:.3f}" for column in heads)] for name, row in stages.items()]
    return _rows(["data", "model", *heads.values()], rows)


def questions(path: Path, stage: str = "") -> str:
    """The contrasts that answer the findings' questions, at a stage or the runs' end, and how they are corrected."""
    table, said = contrasts(path, stage)
    return f"{_rows(*table)}\n{said}\n"


MAKERS: dict[str, Callable[[Path, Ratios], str]] = {
    "sweep": sweep,
    "ends": ends,
    "dense": dense,
    "benchmark": lambda path, ratios: _rows(*beside_torchvision(path)),
    "memory": lambda path, ratios: _rows(*memory(path)),
    "large_batch": lambda path, ratios: _rows(*large_batch(path)),
    "speed": lambda path, ratios: _rows(*removal(path, ratios)),
    "coco_evaluation": lambda path, ratios: _rows(*coco_evaluation(path)),
    "curves": lambda path, ratios: _rows(*curves(path)),
    "training_steps": lambda path, ratios: _rows(*training_steps(path)),
    "depth_growth": lambda path, ratios: _rows(*depth_growth(path)),
    "classes": lambda path, ratios: _rows(*classes(path, ratios)),
    "losses": lambda path, ratios: _rows(*losses(path, ratios)),
    "questions": lambda path, ratios: questions(path),
    "questions_cut": lambda path, ratios: questions(path, "pruned"),
    "networks": networks,
    "models": models,
    "noise": chance,
    "claims": claims,
    "table": lambda path, ratios: path.read_text(encoding="utf-8"),
    "first_table": lambda path, ratios: path.read_text(encoding="utf-8").partition("\n\n")[0] + "\n",
    "recalibration": recalibration,
    **PHASES,
}


def caption(path: Path) -> str:
    """What has to be said about the names in a sweep's table, as of when it was made; "" if nothing has."""
    if path.parent.name not in OF_VERSION_0_1 or "l1" not in set(read(path.parent).table["criterion"]):
        return ""
    return "\n`l1` in this table is `GroupL1` as of version 0.1.\n"


def render(text: str) -> str:
    """A page's text with every block made anew.

    Raises:
        FileNotFoundError, UserError: a block names a file that is not there, or that cannot be read.
        KeyError: a block names a maker that is not known.
    """

    def made(found: re.Match) -> str:
        path, ratios = ROOT / found[4], tuple(map(float, found[3].split()))
        return found[1] + MAKERS[found[2]](path, ratios) + (caption(path) if found[2] in TABLES else "") + found[5]

    return BLOCK.sub(made, text)


def main() -> int:
    stale = []
    for name in PAGES:
        page = ROOT / name
        text = page.read_text(encoding="utf-8")
        now = render(text)
        if now != text:
            stale.append(name)
            if "--check" not in sys.argv[1:]:
                page.write_text(now, encoding="utf-8")
    if "--check" not in sys.argv[1:]:
        print(f"written: {', '.join(stale) or 'nothing has changed'}")
        return 0
    print(f"stale: {', '.join(stale)}: run python scripts/figures.py" if stale else "up to date")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
