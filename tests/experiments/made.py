"""A made-up sweep's folder: every file of a real one, with figures whose truth is known.

Quality of a task is `1 - COST[task] * GAIN[criterion] * asked ** 2` of the way from floor to dense, plus noise of
each seed; so the order of criteria and of tasks is what the constants say.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.declaration import Breakdown, Declaration, Figure, Measure, Task

TASKS = ("bbox", "class", "mask", "proposal")
COST = {"bbox": 0.35, "class": 0.6, "mask": 0.45, "proposal": 0.15}
GAIN = {"taylor": 0.7, "l1": 1.0, "random": 1.6}
FLOORS = {"bbox_refined_iou": 0.7, "class_accuracy": 0.25, "mask_iou": 0.7, "proposal_ar100": 0.08}
DENSE = {"bbox_refined_iou": 0.88, "class_accuracy": 0.95, "mask_iou": 0.91, "proposal_ar100": 0.75}
AP = {"ap": "AP", "ap50": "AP50", "ap75": "AP75"}
KINDS = ("class", "localisation", "both", "duplicate", "background", "missed")


def _ap(shape, **more):
    return [
        Measure(name, f"COCO {shape} {text}", f"{shape} AP" if name == "ap" else "", f"{shape} {text}",
                floor="no detections", margin=0.01 if name == "ap" else None)
        for name, text in (AP | more).items()
    ]  # fmt: skip


def _kinds(shape):
    return [Measure(f"tide_{kind}", f"{shape} AP50 lost to: {kind}", higher_is_better=False) for kind in KINDS]


PROBLEM = Declaration(
    "made",
    tasks=(
        Task("bbox", "boxes", "refined_iou", measures=(
            *_ap("box", class_agnostic_ap="class-agnostic box AP"),
            Measure("refined_iou", "mean IoU of jittered boxes after refinement", "box IoU", "IoU of refined boxes",
                    floor="unrefined boxes"),
            *_kinds("box"),
        )),
        Task("class", "classes", "accuracy", measures=(
            Measure("accuracy", "macro accuracy", "class accuracy", "macro accuracy", floor="a guess"),
            Measure("nll", "negative log likelihood, nats", higher_is_better=False, floor="equal probabilities"),
            Measure("ece", "expected calibration error", higher_is_better=False, floor="a certain guess"),
        )),
        Task("mask", "masks", "iou", measures=(
            *_ap("mask"),
            Measure("iou", "mean mask IoU on true boxes", "mask IoU", "mask IoU on true boxes", floor="ones"),
            Measure("iou_ceiling", "mask IoU of a perfect mask on the head's grid", higher_is_better=None),
            *_kinds("mask"),
        )),
        Task("proposal", "proposals", "ar100", measures=(
            Measure("ar100", "AR of the 100 best proposals", "proposal AR", "AR of 100 proposals", floor="tiles"),
            Measure("recall50", "recall of all proposals", floor="tiles"),
        )),
    ),
    figures=(
        Figure("end_to_end", "detection end to end", "Here the tasks depend on each other.", {
            "bbox_ap50": "Boxes", "bbox_class_agnostic_ap": "Class-agnostic boxes", "mask_ap50": "Masks",
            "mask_ap75": "Masks, strict",
        }),
    ),
    breakdowns=(
        Breakdown("tide", "where AP goes", "AP50 lost, points", "Points of AP50 lost to each kind of error.", {
            title: {kind: f"{task}_tide_{kind}" for kind in KINDS}
            for task, title in (("bbox", "Boxes"), ("mask", "Masks"))
        }, scale=100.0),
    ),
    parts={"features": "features/", "fpn": "features/fpn", "rpn": "rpn/", "box_head": "box_head/",
           "mask_head": "mask_head/"},
    loss_titles={"rpn_class_loss": "proposals: object or not", "rpn_bbox_loss": "proposals: boxes",
                 "mrcnn_class_loss": "classes", "mrcnn_bbox_loss": "boxes", "mrcnn_mask_loss": "masks"},
    columns={"macs_rois": "proposals that macs count", "proposal_ar100": "AR of the 100 best proposals"},
)  # fmt: skip
# Who is hurt by a part, and how much: a head hurts its own task only.
PARTS = {
    "features": {"bbox": 1.0, "class": 1.0, "mask": 1.0, "proposal": 1.0},
    "rpn": {"proposal": 1.5},
    "box_head": {"bbox": 0.8, "class": 0.9},
    "mask_head": {"mask": 0.9},
}
# Class -> how many objects it has, and how much of what the task loses it loses.
CLASSES = {"star": (5, 2.0), "square": (40, 1.0), "circle": (25, 0.5)}
GROUPS = {
    "features/stem_conv": 32, "features/res2_1_1_conv": 32, "features/res3_1_1_conv": 64,
    "features/res4_1_1_conv": 128, "features/res5_1_1_conv": 256, "features/fpn_lateral5": 64,
    "features/fpn_output5": 64, "rpn/rpn_conv": 64, "box_head/box_fc1": 256, "box_head/box_fc2": 256,
    "mask_head/mask_conv1": 32, "mask_head/mask_conv2": 32, "mask_head/mask_deconv": 32,
}  # fmt: skip
MACS, PARAMS = 380_000_000, 3_900_000
ERROR = 'Traceback (most recent call last):\n  File "sweep.py", line 1\nUserError: the loss is <nan> & it diverged\n'


def make(
    folder: Path,
    seeds: int = 5,
    criteria: tuple[str, ...] = ("l1", "random", "taylor"),
    ratios: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8),
    noise: float = 0.01,
    parts: bool = True,
    files: bool = True,
) -> Path:
    """Write the folder of a sweep.

    Args:
        folder: to be made.
        seeds, criteria, ratios: of the grid.
        noise: standard deviation of a run's quality.
        parts: also runs that prune one part alone.
        files: also the files beside each run; else the table only.

    Returns:
        the folder.
    """
    random, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        dense = {"run": f"dense-s{seed}-0a1b2c", "seed": seed, "repeat": 0}
        reference = {task: 1 + random.normal(0, noise) for task in TASKS}
        every = dict.fromkeys(TASKS, 0.0)
        rows.append({**dense, "stage": "floor", **_measures(every)})
        rows.append({**dense, "stage": "dense", **_costs(1.0, 1.0), **_measures(reference)})
        control = {task: value + random.normal(0, noise / 4) for task, value in reference.items()}
        control_row = {**dense, "run": f"dense_control-s{seed}-77aa01", "retraining": "finetune"}
        rows.append({**control_row, "stage": "dense_control", **_costs(1.0, 1.0), **_measures(control)})
        jobs = [(criterion, ratio, "all", "finetune") for criterion in criteria for ratio in ratios]
        jobs += [("l1", ratio, "all", "scratch") for ratio in ratios[1::2]] if "l1" in criteria else []
        jobs += [("l1", ratio, part, "finetune") for ratio in ratios[1:2] for part in PARTS] if parts else []
        for criterion, ratio, part, retraining in jobs:
            rows += _run(random, seed, criterion, ratio, part, retraining, reference, control, noise)
    table = pd.DataFrame(rows)
    table = table.reindex(columns=[*table, *({"asked", "criterion", "reference"} - {*table})])
    table["achieved"] = table["asked"]
    _write_deltas(table)
    folder.mkdir(parents=True, exist_ok=True)
    order = ["floor", "dense", "dense_control", "pruned", "recalibrated", "finetuned", "removed", "scratch"]
    table = table.iloc[np.lexsort([table["stage"].map(order.index), table["run"]])]
    table.to_csv(folder / "runs.csv", index=False)
    (folder / "columns.md").write_text("# Columns of runs.csv\n\n- `run`: name of the run\n- `stage`: <which>\n")
    (folder / "recipe.yaml").write_text(f"name: {folder.name}\n")
    (folder / "problem.json").write_text(PROBLEM.to_json())
    if files:
        for run, part in table.groupby("run"):
            _write_files(folder / "runs" / str(run), part.iloc[-1], random)
        failed = folder / "runs" / "l2-0.5-s0-dead01"
        failed.mkdir(parents=True)
        (failed / "error.txt").write_text(ERROR)
        (failed / "settings.json").write_text('{"criterion": "l2", "ratio": 0.5, "seed": 0}')
    return folder


def _run(random, seed, criterion, ratio, part, retraining, dense, control, noise) -> list[dict]:
    hurt = PARTS.get(part, dict.fromkeys(TASKS, 1.0))
    lost = {task: COST[task] * GAIN[criterion] * ratio**2 * hurt.get(task, 0.0) for task in TASKS}
    end = {t: control[t] - lost[t] + random.normal(0, noise) * (t in hurt) for t in TASKS}
    early = {t: dense[t] - min(1.0, 4 * lost[t]) + random.normal(0, noise) * (t in hurt) for t in TASKS}
    kept = 1 - ratio * (0.25 if part != "all" else 1.0)
    word = criterion if part == "all" else f"{criterion}-{part}"
    prefix = "scratch-" if retraining == "scratch" else ""
    common = {
        "run": f"{prefix}{word}-{ratio:g}-s{seed}-9f3e21", "seed": seed, "criterion": criterion, "scope": "layer",
        "schedule": "one_shot", "budget": "filters", "part": part, "retraining": retraining, "asked": ratio,
        "repeat": 0, "reference": f"dense-s{seed}-0a1b2c",
    }  # fmt: skip
    masked, small = _costs(1.0, kept), _costs(kept, kept)
    if retraining == "scratch":
        worse = {task: value - 0.1 * ratio for task, value in end.items()}
        return [{**common, "stage": "scratch", **small, **_measures(worse)}]
    middle = {task: (early[task] + end[task]) / 2 for task in TASKS}
    latency = {"latency_ms": 40 * (0.2 + 0.8 * kept**1.5), "latency_dense_ms": 40.0, "latency_threads": 1}
    latency["latency_ratio"] = latency["latency_dense_ms"] / latency["latency_ms"]
    tuned = {"reference": f"dense_control-s{seed}-77aa01"}
    return [
        {**common, "stage": "pruned", **masked, **_measures(early)},
        {**common, "stage": "recalibrated", **masked, **_measures(middle)},
        {**common, **tuned, "stage": "finetuned", **masked, **_measures(end), "train_seconds": 41.5},
        {**common, **tuned, "stage": "removed", **small, **latency, **_measures(end)},
    ]


def _costs(kept: float, effective: float) -> dict[str, float]:
    found = {}
    for prefix, share in (("", kept), ("effective_", effective)):
        found[f"{prefix}macs"] = round(MACS * share**1.8)
        found[f"{prefix}params"] = round(PARAMS * share**1.9)
        found[f"{prefix}bytes"] = 4 * found[f"{prefix}params"]
    return found


def _measures(quality: dict[str, float]) -> dict[str, float]:
    """All measures that a model of such normalised qualities could have."""
    found = {}
    for column, measure in PROBLEM.measures.items():
        task = column.partition("_")[0]
        part = max(0.0, quality[task])
        if column in FLOORS:
            found[column] = FLOORS[column] + quality[task] * (DENSE[column] - FLOORS[column])
        elif "tide" in column:
            found[column] = 0.01 + 0.08 * (1.1 - min(1.1, part))
        elif column in ("class_nll", "class_ece"):
            found[column] = 1.4 - 1.2 * part
        else:
            found[column] = 0.9 * part if measure.higher_is_better else 0.95
    return found


def _write_deltas(table: pd.DataFrame) -> None:
    tops = table[table["stage"].isin(["dense", "dense_control"])].set_index("run")
    for column in PROBLEM.measures:
        table[f"delta_{column}"] = table[column] - table["reference"].map(tops[column])


def _write_files(folder: Path, row: pd.Series, random: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    pruned = isinstance(row.get("criterion"), str)
    ratio = row["asked"] if pruned else 0.0
    record = {
        "started": "2026-01-02T03:04:05Z", "finished": "2026-01-02T03:14:05Z", "starts": 1,
        "versions": {"python": "3.12.1", "keras": "3.15.1", "tensorflow": "2.21.0", "taskprune": None},
        "git": {"commit": "a481840", "dirty": False}, "threads": 1, "recipe": {"name": "made"},
        "machine": {"platform": "Linux", "cores": 2 + int(row["seed"] > 2), "memory_bytes": 2**33, "gpus": []},
    }  # fmt: skip
    (folder / "record.json").write_text(json.dumps(record))
    (folder / "settings.json").write_text(json.dumps({"seed": int(row["seed"]), "ratio": ratio}))
    lost = {column: DENSE["class_accuracy"] - row[column] for column in ("class_accuracy", "mask_ap")}
    classes = {
        name: {"objects": objects, **{column: 0.9 - share * of for column, of in lost.items()}}
        for name, (objects, share) in CLASSES.items()
    }
    table = pd.DataFrame(classes).T.rename_axis("class").reset_index()
    table.insert(0, "run", row["run"])
    table.insert(1, "stage", row["stage"])
    path = folder.parents[1] / "classes.csv"
    table.to_csv(path, index=False, mode="a", header=not path.exists())
    steps = np.arange(10, 151, 10)
    losses = {
        name: start * np.exp(-steps / 90) + random.uniform(0.01, 0.02, len(steps))
        for name, start in (("rpn_class_loss", 0.06), ("rpn_bbox_loss", 0.02), ("mrcnn_class_loss", 0.4),
                            ("mrcnn_bbox_loss", 0.45), ("mrcnn_mask_loss", 0.5))
    }  # fmt: skip
    history = pd.DataFrame(
        {
            "step": steps,
            "stage": "finetuned",
            "learning_rate": 5e-4 * (1 + np.cos(np.pi * steps / 150)) / 2,
            "sparsity": np.minimum(ratio, ratio * steps / 80),
            **losses,
        }
    )
    history.to_csv(folder / "history.csv", index=False)
    if not pruned:
        return
    removed = {name: tuple(range(round(ratio * size * random.uniform(0.6, 1.0)))) for name, size in GROUPS.items()}
    groups = {name: {"size": size, "removed": list(removed[name])} for name, size in GROUPS.items()}
    (folder / "plan.json").write_text(json.dumps({"format": 1, "model": "network", "groups": groups}))
    edges = np.linspace(-0.5, 0.5, 61)
    before = {name: np.histogram(random.normal(0, 0.08, 100 * size), edges)[0] for name, size in GROUPS.items()}
    after = {name: (counts * (1 - ratio)).astype(int) for name, counts in before.items()}
    counts = {"edges": edges.tolist(), "parts": {}}
    for when, layers in (("before", before), ("after", after)):
        counts[when] = {name: values.tolist() for name, values in layers.items()}
    (folder / "histograms.json").write_text(json.dumps(counts))
