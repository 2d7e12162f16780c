"""A made-up sweep of another problem: no detector, no parts, no latency; its second task is better when lower.

Quality of task number i is `1 - 0.2 * (i + 1) * GAIN[criterion] * asked ** 2`, plus noise of each seed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.declaration import Declaration, Measure, Task

ALL = (
    Task("digit", "digits", "accuracy", floor="the most frequent digit", label="digit accuracy"),
    Task("angle", "angles", "error", higher_is_better=False, floor="the mean angle", label="angle error, degrees",
         measures=(Measure("error", "mean absolute error of the angle", "angle error",
                           "mean error of the angle, degrees", higher_is_better=False, margin=2.0),)),
    Task("colour", "colours", "accuracy", floor="a guess"),
    *(Task(f"extra{n}", f"further outputs of kind {n}", "score") for n in range(4, 9)),
)  # fmt: skip
FLOORS = {"digit": 0.1, "angle": 45.0, "colour": 0.25}
DENSE = {"digit": 0.97, "angle": 5.0, "colour": 0.9}
GAIN = {"taylor": 0.6, "l1": 1.0, "random": 1.5}
GROUPS = {"conv1": 16, "conv2": 32, "dense1": 64}


def problem(tasks: int = 3) -> Declaration:
    """What it declares."""
    return Declaration("made_three", ALL[:tasks])


def make(
    folder: Path,
    seeds: int = 5,
    tasks: int = 3,
    criteria: tuple[str, ...] = ("l1", "random", "taylor"),
    ratios: tuple[float, ...] = (0.25, 0.5, 0.75),
    noise: float = 0.01,
    files: bool = False,
) -> Path:
    """Write the folder of a sweep: its table and problem.json, and, if asked, the files beside each run."""
    random, declared, rows = np.random.default_rng(0), problem(tasks), []

    def measures(quality: float | list[float]) -> dict[str, float]:
        found = {}
        for task, share in zip(declared.tasks, np.broadcast_to(quality, len(declared.tasks)), strict=True):
            low, high = FLOORS.get(task.name, 0.0), DENSE.get(task.name, 1.0)
            found[task.column] = low + share * (high - low)
        return found

    for seed in range(seeds):
        tops = {"seed": seed, "repeat": 0}
        rows.append({"run": f"dense-s{seed}", "stage": "floor", **tops, **measures(0.0)})
        for stage in ("dense", "dense_control"):
            quality = list(1 + random.normal(0, noise, len(declared.tasks)))
            rows.append({"run": f"{stage}-s{seed}", "stage": stage, **tops, "effective_macs": 8e5, **measures(quality)})
        for criterion in criteria:
            for ratio in ratios:
                lost = 0.2 * (1 + np.arange(len(declared.tasks))) * GAIN[criterion] * ratio**2
                common = {"run": f"{criterion}-{ratio:g}-s{seed}", **tops, "criterion": criterion, "asked": ratio,
                          "retraining": "finetune", "effective_macs": 8e5 * (1 - ratio)}  # fmt: skip
                for stage, factor, top in (("pruned", 2, "dense"), ("finetuned", 1, "dense_control")):
                    quality = list(1 - factor * lost + random.normal(0, noise, len(lost)))
                    rows.append({**common, "stage": stage, "reference": f"{top}-s{seed}", **measures(quality)})
    table = pd.DataFrame(rows)
    by_run = table[table["stage"].isin(["dense", "dense_control"])].set_index("run")
    for column in declared.measures:
        table[f"delta_{column}"] = table[column] - table["reference"].map(by_run[column])
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "runs.csv", index=False)
    (folder / "problem.json").write_text(declared.to_json())
    if files:
        for run, part in table.groupby("run"):
            _write_files(folder / "runs" / str(run), part.iloc[-1], declared, random)
    return folder


def _write_files(folder: Path, row: pd.Series, declared: Declaration, random: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    steps = np.arange(10, 101, 10)
    losses = {f"{task.name}_loss": np.exp(-steps / 60) * random.uniform(0.5, 1.5) for task in declared.tasks}
    history = pd.DataFrame({"step": steps, "stage": row["stage"], "loss": sum(losses.values()), **losses})
    history.to_csv(folder / "history.csv", index=False)
    if not isinstance(row.get("criterion"), str):
        return
    groups = {name: {"size": size, "removed": list(range(round(row["asked"] * size)))} for name, size in GROUPS.items()}
    (folder / "plan.json").write_text(json.dumps({"format": 1, "groups": groups}))
    edges = np.linspace(-0.5, 0.5, 41)
    counts = {name: np.histogram(random.normal(0, 0.1, 50 * size), edges)[0].tolist() for name, size in GROUPS.items()}
    (folder / "histograms.json").write_text(json.dumps({"edges": edges.tolist(), "before": counts, "after": counts}))
