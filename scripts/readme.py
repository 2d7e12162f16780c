"""Write the figures of README.md from results/: each block between markers is made from a file that a sweep wrote.

`python scripts/readme.py` rewrites them; with --check it only says whether they are up to date.
"""

from __future__ import annotations

import functools
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import boot  # noqa: F401
from curves import percent
from noise import noise
from reading import read
from report import verdicts
from summary import Line, figure, summary

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- figures: (\w+) from (\S+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
SHOWN = {
    "mask_ap50": "mask AP50",
    "mask_iou": "mask IoU",
    "bbox_ap50": "box AP50",
    "bbox_refined_iou": "box IoU",
    "class_accuracy": "class accuracy",
}
BUDGETS = {"params": "parameters", "macs": "MACs"}


def _rows(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _figure(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def sweep(path: Path, ends_only: bool = False) -> str:
    """Every setting beside the dense model, its control and the floor: means, and spread where there are seeds."""
    table = read(path.parent).table
    lines = summary(table, ["effective_macs", "latency_ratio", *SHOWN])
    lines = [line for line in lines if not (ends_only and line.stage == "pruned")]
    seeds = max(line.seeds for line in lines)
    timed = any(not math.isnan(line.means.get("latency_ratio", math.nan)) for line in lines)
    head = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else ""
    rows = []
    for line in lines:
        cells = [figure(line, "effective_macs", 2, 1e-9, spread=False)]
        if timed:
            cells.append(figure(line, "latency_ratio", 1, spread=False))
        rows.append([_name(line), *cells, *(figure(line, column) for column in SHOWN)])
    return _rows([head, "GMACs", *(["times as fast"] if timed else []), *SHOWN.values()], rows)


def _name(line: Line) -> str:
    if not line.name:
        return {"floor": "floor"}.get(line.stage, line.stage_text)
    stage = {"final": "fine-tuned", "scratch": "trained from scratch"}.get(line.stage, line.stage_text)
    return f"{line.name}, {percent(line.asked)} of the {BUDGETS.get(line.budget, line.budget)}, {stage}"


def dense(path: Path) -> str:
    """A dense model in one row, beside its floor, from what evaluate.py wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    names = {"mask_ap": "mask AP", "bbox_ap": "box AP", **SHOWN}

    def row(name: str, measures: dict) -> list[str]:
        flat = {f"{task}_{key}": value for task, values in measures.items() for key, value in values.items()}
        return [name, *(_figure(flat[column]) for column in names)]

    return _rows(["", *names.values()], [row("floor", found["floors"]), row("dense", found["measures"])])


def benchmark(path: Path) -> str:
    """Seconds beside torchvision's."""
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        [name, f"{found[key]['taskprune_s']:.2f}", f"{found[key]['torchvision_s']:.2f}", f"{found[key]['ratio']:.2f}"]
        for key, name in (("detect", "detect, one picture"), ("train", "one training step"))
    ]
    return _rows(["seconds (median)", "taskprune", "torchvision", "ratio"], rows)


def speed(path: Path) -> str:
    """What removing parts of the MACs gains, ratio by ratio."""
    rows = [
        [f"{row['asked']:.0%}", f"{row['achieved']:.1%}", f"{row['macs'] / 1e9:.1f}", f"{row['params'] / 1e6:.1f}",
         f"{row['file_bytes'] / 2**20:.0f}", f"{row['speedup']:.2f}"]
        for row in pd.read_csv(path).query("asked > 0").to_dict("records")
    ]  # fmt: skip
    return _rows(["MACs asked", "MACs gone", "GMACs left", "M parameters", "file, MiB", "times as fast"], rows)


def chance(path: Path) -> str:
    """The noise pilot's spreads."""
    found = noise(read(path.parent).table)
    names = {**SHOWN, "proposal_ar100": "AR of 100 proposals", "bbox_ap": "box AP", "mask_ap": "mask AP"}
    rows = [[names[measure], *(f"{value:.4f}" for value in row)] for measure, row in found.iterrows()]
    heads = ["dense, over seeds", "fine-tuning repeated", "cost of pruning", "3 seeds see", "5 seeds see"]
    return _rows(["standard deviation", *heads], rows)


def claims(path: Path) -> str:
    """What may be said about every two curves of a sweep, task by task."""
    lines = []
    for pair in verdicts(read(path.parent)):
        lines.append(f"- {pair['title']}")
        lines += [f"  - {text}" for text, _ in pair["lines"]]
    return "\n".join(lines) + "\n"


MAKERS: dict[str, Callable[[Path], str]] = {
    "sweep": sweep,
    "ends": functools.partial(sweep, ends_only=True),
    "dense": dense,
    "benchmark": benchmark,
    "speed": speed,
    "noise": chance,
    "claims": claims,
}


def render(text: str) -> str:
    """README's text with every block made anew.

    Raises:
        FileNotFoundError: a block names a file that is not there.
        KeyError: a block names a maker that is not known.
    """
    return BLOCK.sub(lambda found: found[1] + MAKERS[found[2]](ROOT / found[3]) + found[4], text)


def main() -> int:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    now = render(text)
    if "--check" in sys.argv[1:]:
        print("README.md is up to date" if now == text else "README.md is stale: run python scripts/readme.py")
        return int(now != text)
    readme.write_text(now, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
