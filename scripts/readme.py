"""Write the figures of README.md from results/: each block between markers is made from a file that a sweep wrote.

`python scripts/readme.py` rewrites them; with --check it only says whether they are up to date.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- figures: (\w+) from (\S+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
SHOWN = {
    "mask_ap50": "mask AP50",
    "mask_iou": "mask IoU",
    "bbox_ap50": "box AP50",
    "bbox_refined_iou": "box IoU",
    "class_accuracy": "class accuracy",
}


def _rows(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _figure(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def sweep(path: Path) -> str:
    """Every fine-tuned run beside the dense model, its control and the floor."""
    table = pd.read_csv(path)
    kept = table[table["stage"].isin(["floor", "dense", "dense_control", "pruned", "finetuned"])]
    rows = []
    for row in kept.to_dict("records"):
        name = {"floor": "floor", "dense": "dense", "dense_control": "dense, same extra training"}.get(row["stage"])
        name = name or f"{row['method']}, {row['asked']:.0%} of the filters" + (
            ", right after pruning" if row["stage"] == "pruned" else ", fine-tuned"
        )
        macs = "" if pd.isna(row["effective_macs"]) else f"{row['effective_macs'] / 1e9:.2f}"
        rows.append([name, macs, *(_figure(row[column]) for column in SHOWN)])
    return _rows(["", "GMACs", *SHOWN.values()], rows)


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


MAKERS: dict[str, Callable[[Path], str]] = {"sweep": sweep, "dense": dense, "benchmark": benchmark}


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
