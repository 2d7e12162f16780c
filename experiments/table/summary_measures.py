"""What a row lost, summed up: each task's drop, the worst task, the worst class, and the multi-task delta."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.declaration import Declaration
from experiments.sample_answers import Tally, answers_path, bootstrap, read_answers
from experiments.table.task_curves import change

VARIANTS = {
    "delta_mtl": "primary measures only",
    "delta_mtl_means": "measures of a task averaged, as LibMTL does",
    "delta_mtl_sums": "measures of a task summed, as AdapMTL does",
}


def summary_columns(problem: Declaration) -> dict[str, str]:
    """Columns that sum up what a row lost, with their meanings."""
    known = {
        f"drop_{task.name}": f"normalised quality of {task.title} lost against `reference` (1: all that dense has "
        "above the floor); negative: gained"
        for task in problem.tasks
    }
    known |= {"worst_task": "task of the largest drop", "worst_drop": "its drop"}
    for name, variant in VARIANTS.items():
        known[name] = (
            f"percent that measures changed against `reference`, relative to it, mean over tasks; {variant}; positive: "
            "better"
        )
    for task in problem.tasks:
        known[f"delta_{task.column}_low"] = (
            f"lower end of the 95% interval of delta_{task.column}, a bootstrap over samples with this row's network "
            "as it is: says nothing of other seeds"
        )
        known[f"delta_{task.column}_high"] = f"upper end of the interval of delta_{task.column}"
        known[f"{task.name}_worst_class"] = f"the class of the worst {task.column}, or of the measure that follows"
        for measure in task.measures:
            known[f"{task.name}_worst_{measure.name}"] = f"that class's {task.name}_{measure.name}"
    return known


def with_summary(table: pd.DataFrame, problem: Declaration) -> pd.DataFrame:
    """The table with each task's drop, the worst one, and the multi-task deltas, for rows that have a reference."""
    if "reference" not in table:
        return table
    drops = -change(table, problem)
    known = drops.notna().any(axis=1)
    worst = drops[known].idxmax(axis=1)
    columns = {f"drop_{task}": drops[task] for task in drops}
    columns["worst_task"] = worst.reindex(table.index).astype(object)
    columns["worst_drop"] = drops.max(axis=1)
    return pd.concat([table, pd.DataFrame(columns), _relative(table, problem)], axis="columns")


def _relative(table: pd.DataFrame, problem: Declaration) -> pd.DataFrame:
    """The variants of the multi-task delta; those of several measures only where a task has several."""
    tops = table[table["stage"].isin(["dense", "dense_control"])].set_index("run")
    relative: dict[str, dict[str, pd.Series]] = {}
    for task in problem.tasks:
        for measure in task.measures:
            column = f"{task.name}_{measure.name}"
            counts = measure.higher_is_better is not None and (measure.title or measure.name == task.primary)
            if counts and column in table:
                base = pd.to_numeric(table["reference"].map(tops[column]))
                better = 1 if measure.higher_is_better else -1
                with np.errstate(all="ignore"):
                    ratio = 100 * better * (pd.to_numeric(table[column]) - base) / base.abs()
                relative.setdefault(task.name, {})[column] = ratio.replace([math.inf, -math.inf], math.nan)
    primary = pd.DataFrame({
        name: relative[name][column] for name, column in problem.primary.items() if column in relative.get(name, ())
    })  # fmt: skip
    if primary.empty:
        return pd.DataFrame(index=table.index)
    found = {"delta_mtl": primary.mean(axis=1, skipna=False)}
    if any(len(of_task) > 1 for of_task in relative.values()):
        by_task = [pd.DataFrame(of_task) for of_task in relative.values()]
        means = pd.concat([one.mean(axis=1, skipna=False) for one in by_task], axis=1)
        sums = pd.concat([one.sum(axis=1, skipna=False) for one in by_task], axis=1)
        found["delta_mtl_means"] = means.mean(axis=1, skipna=False)
        found["delta_mtl_sums"] = sums.mean(axis=1, skipna=False)
    return pd.DataFrame(found, index=table.index)


def with_bootstrap(table: pd.DataFrame, problem: Declaration, runs: Path) -> pd.DataFrame:
    """The table with intervals of every primary delta over samples, where both runs kept their answers.

    Args:
        table: of a sweep.
        problem: says which measure stands for a task.
        runs: the sweep's folder of runs.
    """
    if "reference" not in table:
        return table
    stages = table[table["stage"].isin(["dense", "dense_control"])].set_index("run")["stage"]
    rows: dict[Any, dict[str, float]] = {}
    for index, row in table[table["reference"].notna()].iterrows():
        top = row["reference"]
        now = _stamped(answers_path(runs / row["run"], row["stage"]))
        reference = _stamped(answers_path(runs / top, stages[top])) if top in stages else None
        if now is None or reference is None:
            continue
        found = _intervals(now, reference)
        for task in problem.tasks:
            if task.name in found:
                low, high = found[task.name]
                rows.setdefault(index, {}).update({f"delta_{task.column}_low": low, f"delta_{task.column}_high": high})
    if not rows:
        return table
    return pd.concat([table, pd.DataFrame.from_dict(rows, orient="index")], axis="columns")


Stamped = tuple[Path, int, int]


def _stamped(path: Path) -> Stamped | None:
    """A file, when it was written and how long it is; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return path, found.st_mtime_ns, found.st_size


@functools.cache  # a sweep writes its table after every run: what is known of the others is not drawn again
def _intervals(now: Stamped, reference: Stamped) -> dict[str, tuple[float, float]]:
    """Task -> interval of its primary delta over samples, where both files hold answers of the same samples."""
    mine, others = (_tallies(one) for one in (now, reference))
    return {
        task: bootstrap(tally, others[task])
        for task, tally in mine.items()
        if task in others and tally.samples == others[task].samples
    }


@functools.lru_cache(maxsize=16)  # the dense models', which every run is compared with
def _tallies(one: Stamped) -> Mapping[str, Tally]:
    answers = read_answers(one[0])
    return {} if answers is None else answers.tallies
