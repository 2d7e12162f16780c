"""Write the figures of README.md and of pages in docs/ from results/.

Each block between markers is made from a file that a sweep wrote. `python scripts/figures.py` rewrites the blocks of
all pages; with --check it only says whether they are up to date.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import yaml

from experiments.report.content import macs_unit, verdicts
from experiments.table.noise import SEEDS, noise
from experiments.table.selection import every_curve
from experiments.table.statistics import FEWEST_SEEDS
from experiments.table.summary import Line, figure, summary
from experiments.table.sweep_data import read, read_declaration
from experiments.table.task_curves import counted, percent
from experiments.table.verdicts import Comparison, Contrast, compare_all

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/faster_rcnn.md", "docs/results.md", "docs/retrain.md", "docs/retraining.md")
BLOCK = re.compile(r"(<!-- figures: (\w+)((?: [0-9.]+)*) from (\S+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
BUDGETS = {"params": "parameters", "macs": "MACs"}
Ratios = tuple[float, ...]


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
    lines = summary(found.table, ["effective_macs", "latency_ratio", *heads])
    lines = [line for line in lines if not (ends_only and line.stage == "pruned")]
    lines = [line for line in lines if not (ratios and line.name and line.asked not in ratios)]
    seeds = max(line.seeds for line in lines)
    timed = "latency_ratio" in found.table and found.table["latency_ratio"].notna().any()
    rows = []
    for line in lines:
        cells = [figure(line, "effective_macs", 2, factor, spread=False)]
        if timed:
            cells.append(figure(line, "latency_ratio", 1, spread=False))
        rows.append([_name(line), *cells, *(figure(line, column) for column in heads)])
    head = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else ""
    return _rows([head, unit, *(["times as fast"] if timed else []), *heads.values()], rows)


def ends(path: Path, ratios: Ratios = ()) -> str:
    """The same without what was measured right after pruning."""
    return sweep(path, ratios, ends_only=True)


def _name(line: Line) -> str:
    if not line.name:
        return {"floor": "floor"}.get(line.stage, line.stage_text)
    stage = {"final": "fine-tuned", "scratch": "trained from scratch"}.get(line.stage, line.stage_text)
    return f"{line.name}, {percent(line.asked)} of the {BUDGETS.get(line.budget, line.budget)}, {stage}"


def dense(path: Path, ratios: Ratios = ()) -> str:
    """A dense Mask R-CNN in one row, beside its floor, from what `taskprune evaluate` wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    heads = read_declaration(ROOT / "results" / "shapes_hard_reference").heads

    def row(name: str, measures: dict) -> list[str]:
        flat = {f"{task}_{key}": value for task, values in measures.items() for key, value in values.items()}
        return [name, *("" if pd.isna(flat[column]) else f"{flat[column]:.3f}" for column in heads)]

    return _rows(["", *heads.values()], [row("floor", found["floors"]), row("dense", found["measures"])])


def benchmark(path: Path, ratios: Ratios = ()) -> str:
    """Seconds beside torchvision's."""
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        [f"{name}, {text}", f"{row['taskprune_s']:.2f}", f"{row['torchvision_s']:.2f}", f"{row['ratio']:.2f}"]
        for key, name in (("detect", "detect, one picture"), ("train", "one training step"))
        for setting, text in (("few", "few objects"), ("many", f"{found['settings']['many']} objects a picture"))
        for row in [found[setting][key]]
    ]
    return _rows(["seconds (median)", "taskprune", "torchvision", "ratio"], rows)


def speed(path: Path, ratios: Ratios = ()) -> str:
    """What removing parts of the MACs gains, ratio by ratio."""
    rows = [
        [f"{row['asked']:.0%}", f"{row['achieved']:.1%}", f"{row['macs'] / 1e9:.1f}", f"{row['params'] / 1e6:.1f}",
         f"{row['file_bytes'] / 2**20:.0f}", f"{row['speedup']:.2f}"]
        for row in pd.read_csv(path).query("asked > 0").to_dict("records")
    ]  # fmt: skip
    return _rows(["MACs asked", "MACs gone", "GMACs left", "M parameters", "file, MiB", "times as fast"], rows)


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


def brief(path: Path, ratios: Ratios = ()) -> str:
    """The same claims, a line for every two curves."""
    found = compare_all(list(itertools.combinations(every_curve(read(path.parent)), 2)))
    seeds = min((len(one.seeds) for one in found), default=0)
    if seeds < FEWEST_SEEDS:
        return f"Nothing: {counted(seeds, 'seed')} {'is' if seeds == 1 else 'are'} too few for a claim.\n"
    lines = [f"- {_in_brief(one)}." for one in found]
    lines += ["", f"{counted(seeds, 'seed')}; Holm's correction over all {found[0].family} contrasts."]
    return "\n".join(lines) + "\n"


def _in_brief(comparison: Comparison) -> str:
    a, b = comparison.names
    groups: dict[str, list[Contrast]] = {}
    for contrast in comparison.contrasts:
        more = "more" if contrast.mean > 0 else "less"
        text = f"{a} keeps {more} quality than {b}" if contrast.claimed else f"{a} and {b} cannot be told apart"
        groups.setdefault(text, []).append(contrast)
    return "; ".join(
        f"{text}: " + ", ".join(f"{one.title} {one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for one in contrasts)
        for text, contrasts in groups.items()
    )


MAKERS: dict[str, Callable[[Path, Ratios], str]] = {
    "sweep": sweep,
    "ends": ends,
    "dense": dense,
    "benchmark": benchmark,
    "speed": speed,
    "networks": networks,
    "noise": chance,
    "claims": claims,
    "brief": brief,
}


def render(text: str) -> str:
    """A page's text with every block made anew.

    Raises:
        FileNotFoundError, UserError: a block names a file that is not there, or that cannot be read.
        KeyError: a block names a maker that is not known.
    """
    return BLOCK.sub(
        lambda found: found[1] + MAKERS[found[2]](ROOT / found[4], tuple(map(float, found[3].split()))) + found[5], text
    )


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
