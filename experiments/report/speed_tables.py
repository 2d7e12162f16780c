"""Tables of what scripts/benchmark.py, scripts/speed.py and `speed_curves` wrote: a header, and rows, each."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd

Table = tuple[list[str], list[list[str]]]
CRITERIA = {"group_l1": "group L1", "l1": "L1", "random": "random"}
KINDS = {"detect": "`detect`", "static": "fixed shapes", "xla": "fixed shapes, XLA"}


def _settings(found: dict) -> list[tuple[str, str]]:
    return [("few", "few objects"), ("many", f"{found['settings']['many']} objects a picture")]


def beside_torchvision(path: Path) -> Table:
    """Seconds beside torchvision's."""
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        [f"{name}, {text}", f"{row['taskprune_s']:.2f}", f"{row['torchvision_s']:.2f}", f"{row['ratio']:.2f}"]
        for key, name in (
            ("detect", "detect, one picture"), ("frozen", "the same, frozen"), ("train", "one training step"),
        )
        for setting, text in _settings(found)
        for row in [found[setting][key]]
    ]
    return ["seconds (median)", "taskprune", "torchvision", "ratio"], rows


def memory(path: Path) -> Table:
    """Most memory of a process that detects, or trains, beside torchvision's."""
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        [f"{name}, {text}", *(f"{held[who][key] / 1e9:.2f}" for who in ("taskprune", "torchvision"))]
        for setting, text in _settings(found)
        for what, key, name in (
            ("detect", "before_bytes", "model read, nothing detected"),
            ("detect", "peak_bytes", "five pictures detected"),
            ("step", "peak_bytes", f"five steps of {found['settings']['batch_size']} pictures"),
        )
        for held in [found[setting]["memory"][what]]
    ]
    return ["GB", "taskprune", "torchvision"], rows


def large_batch(path: Path) -> Table:
    """Most memory where pictures are large, crowded and many, beside torchvision's."""
    names = {"detect_all": "detection in {} at once", "step": "training steps of {}"}
    rows = []
    for (what, count), group in pd.read_csv(path).groupby(["what", "pictures"], sort=False):
        held = group.set_index("who")["peak_bytes"] / 1e9
        pictures = "1 picture" if count == 1 else f"{count} pictures"
        rows.append([names[what].format(pictures), f"{held['taskprune']:.2f}", f"{held['torchvision']:.2f}"])
    return ["GB", "taskprune", "torchvision"], rows


def removal(path: Path, ratios: tuple[float, ...] = ()) -> Table:
    """What removing parts of the MACs, or of the time, gains: each criterion, rounding and ratio, or given ratios."""
    whole = pd.read_csv(path)
    dense, table = whole.query("asked == 0").iloc[0], whole.query("asked > 0")
    of_time = path.stem.endswith("_latency")
    several = "criterion" in table and len(table[["criterion", "round_to"]].drop_duplicates()) > 1
    by_cpu = "cpu_speedup" in table
    rows = [
        [
            *([CRITERIA[row["criterion"]], f"{row['round_to']:.0f}"] if several else []),
            f"{row['asked']:.0%}", f"{row['achieved']:.1%}",
            *([f"{1 - row['macs'] / dense['macs']:.1%}"] if of_time else []),
            f"{row['macs'] / 1e9:.2f}", f"{row['params'] / 1e6:.1f}", f"{row['file_bytes'] / 2**20:.0f}",
            f"{row['speedup']:.2f}",
            *([f"{row['cpu_speedup']:.2f}"] if by_cpu else []),
        ]
        for row in table.to_dict("records") if not ratios or row["asked"] in ratios
    ]  # fmt: skip
    choice, cpu = ["criterion", "multiples of"] if several else [], ["by processor time"] if by_cpu else []
    asked = ["time asked", "time gone in the search", "MACs gone"] if of_time else ["MACs asked", "MACs gone"]
    return [*choice, *asked, "GMACs left", "M parameters", "file, MiB", "times as fast", *cpu], rows


def curves(path: Path) -> Table:
    """Milliseconds a picture over sizes, batches and threads: dense, pruned, and how many times as fast that is."""
    table = pd.read_csv(path)
    keys = ["threads", "kind", "size", "batch"]
    rows = []
    for key, group in table.groupby(keys, sort=False):
        threads, kind, size, batch = key
        dense, pruned = (group.set_index("model")["ms_a_picture"][name] for name in ("dense", "pruned"))
        rows.append([str(threads), KINDS[kind], str(size), str(batch), f"{dense:.0f}", f"{pruned:.0f}",
                     f"{dense / pruned:.2f}"])  # fmt: skip
    return ["threads", "", "px", "pictures at a time", "dense, ms", "pruned, ms", "times as fast"], rows


def training_steps(path: Path) -> Table:
    """A step of dense and pruned networks, saliency by task, and the callback where nothing is due."""
    rows = []
    for row in pd.read_csv(path).to_dict("records"):
        name = row["what"]
        if name == "pruned":
            name = f"step with {row['macs_gone']:.0%} of the MACs gone, widths in {row['round_to']:.0f}s"
        elif math.isfinite(row["share_of_step"]):  # timed a thousand times over
            rows.append(["callback, nothing due", f"{row['dense_ms']:.0f}", f"{row['other_ms'] / 1000:.3f}", "", ""])
            continue
        times, by_processor = row["other_ms"] / row["dense_ms"], row["other_processor_ms"] / row["dense_processor_ms"]
        rows.append([name, f"{row['dense_ms']:.0f}", f"{row['other_ms']:.0f}", f"{times:.2f}", f"{by_processor:.2f}"])
    return ["", "dense step, ms", "ms", "of the dense step", "by processor time"], rows


def depth_growth(path: Path) -> Table:
    """Milliseconds, and Python function calls for each call of a layer, from graph to removal."""
    stages = ("graph", "scores", "prices", "plan", "removal")
    rows = [
        [row["model"], f"{row['layer_calls']:.0f}", f"{row['layer_inputs']:.0f}",
         *(f"{row[f'{stage}_ms']:.0f} / {row[f'{stage}_functions'] / row['layer_calls']:.0f}" for stage in stages)]
        for row in pd.read_csv(path).to_dict("records")
    ]  # fmt: skip
    return ["ms / function calls a layer call", "layer calls", "inputs that they read", *stages], rows


def coco_evaluation(path: Path) -> Table:
    """Evaluating a COCO-sized data set's detections beside plain pycocotools."""
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = []
    for kind, text in (("bbox", "boxes"), ("segm", "masks")):
        mine, theirs = (found[kind][who] for who in ("taskprune", "pycocotools"))
        times = [f"{one['cpu_seconds']:.1f}" for one in (mine, theirs)]
        held = [f"{one['bytes'] / 1e9:.2f}" for one in (mine, theirs)]
        rows.append([text, *times, *held, "yes" if found[kind]["equal"] else "no"])
    head = ["", "processor seconds", "pycocotools'", "GB beside the data", "pycocotools'", "every digit equal"]
    return head, rows
