"""A sweep's table as curves: which rows belong together, what they cost, and what each task keeps of its quality."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from experiments.declaration import Declaration
from experiments.table.sweep_data import SETTINGS

STAGE_NAMES = {
    "floor": "floor: no model",
    "dense": "dense",
    "dense_control": "dense, same extra training",
    "smaller_input": "dense, on smaller pictures",
    "pruned": "right after pruning",
    "recalibrated": "after recalibration",
    "finetuned": "after fine-tuning",
    "removed": "after fine-tuning, removed",
    "final": "after fine-tuning",
    "scratch": "same small network from scratch",
    "int8": "in int8",
    "float16": "in float16",
    **{f"cluster{count}": f"{count} clusters a layer" for count in (16, 32, 64)},
    "tfmot_cluster16": "16 clusters, tfmot, in LiteRT",
    "tfmot_qat": "quantization-aware, tfmot, in LiteRT",
}


@dataclass(frozen=True)
class Cost:
    """A cost.

    Attributes:
        column: that has it.
        name: in plots.
        speed: whether the column is the dense model's cost over this one's, and not the cost itself.
    """

    column: str
    name: str
    speed: bool = False

    def column_of(self, table: pd.DataFrame) -> str:
        """The column in a table: where it compares models, speeds are beside one of them."""
        return "latency_first_ratio" if self.speed and several_models(table) else self.column


COSTS = {
    "macs": Cost("effective_macs", "MACs"),
    "params": Cost("effective_params", "parameters"),
    "bytes": Cost("effective_bytes", "bytes of weights"),
    "latency": Cost("latency_ratio", "measured latency", speed=True),
}


def several_models(table: pd.DataFrame) -> bool:
    """Whether a sweep compares models."""
    return "model" in table and table["model"].nunique() > 1


def remaining(table: pd.DataFrame, cost: str) -> pd.Series:
    """The share of a cost that remains: each row's cost over that of the dense model of the same seed.

    Where a sweep compares models, over that of the largest of them, so that shares of different models compare; of
    latency, over that of the first of them.

    Args:
        table: rows of a sweep, the dense ones among them.
        cost: a key of COSTS.

    Returns:
        a share for each row; NaN where the table does not say.
    """
    kind = COSTS[cost]
    column = kind.column_of(table)
    if column not in table:
        return pd.Series(math.nan, index=table.index)
    if kind.speed:
        return 1 / table[column]
    dense = table[table["stage"] == "dense"].groupby("seed")[column].max()
    return table[column] / table["seed"].map(dense)


def left_text(table: pd.DataFrame, cost: str) -> str:
    """What the axis of `remaining` says."""
    name = COSTS[cost].name
    if not several_models(table):
        return f"{name} left"
    return f"{name}, share of the {'first' if COSTS[cost].speed else 'largest'} model's"


def final_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The last row of every finished pruned run: with the channels removed, else fine-tuned.

    A run without retraining ends where it was last measured. Networks trained from scratch are not among them.
    """
    rows = table[table["criterion"].notna() & (table["retraining"] != "scratch")]
    untrained = rows["retraining"] == "none"
    ends = rows["stage"].isin(["finetuned", "removed"])
    trained = rows[~untrained]
    done = set(trained.loc[trained["stage"].isin(["finetuned", "removed"]), "run"])
    ends = ends & rows["run"].isin(done) | untrained & rows["stage"].isin(["pruned", "recalibrated", "removed"])
    return rows[ends].drop_duplicates("run", keep="last")


def whole_network(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs that may prune every part of the network."""
    return rows[rows["part"].isna() | (rows["part"] == "all")]


def whole_network_ends(table: pd.DataFrame) -> pd.DataFrame:
    """The last row of every finished run that may prune every part of the network."""
    return whole_network(final_rows(table))


def labels(rows: pd.DataFrame, among: pd.DataFrame) -> pd.Series:
    """The curve that each row belongs to: its criterion, and the settings that vary among other rows.

    Where models are compared, the model comes first, and a criterion that all have is not said.

    Args:
        rows: to be named.
        among: rows whose settings are looked at, as a rule those of `final_rows`.
    """
    varying = [n for n in SETTINGS if n == "criterion" or n != "part" and n in among and among[n].nunique() > 1]
    if "model" in varying and among["criterion"].nunique() < 2:
        varying.remove("criterion")
    named = [[str(value) for value in row if pd.notna(value)] for row in rows[varying].itertuples(index=False)]
    return pd.Series([", ".join(words) for words in named], index=rows.index, dtype=object)


def names(table: pd.DataFrame) -> list[str]:
    """The curves of a table, in its order, the random baseline last; where models are compared, larger ones first."""
    ends = whole_network_ends(table)
    if several_models(table):
        order = models_by_size(table)
        ends = ends.iloc[ends["model"].map(order.index).argsort(kind="stable")]
    return sorted(dict.fromkeys(labels(ends, ends)), key=is_random)


def models_by_size(table: pd.DataFrame) -> list[str]:
    """The models that a sweep compares, those of most MACs first."""
    macs = table[table["stage"] == "dense"].groupby("model")["effective_macs"].mean()
    return sorted(dict.fromkeys(table["model"].dropna()), key=lambda model: -macs.get(model, math.inf))


def is_random(label: str) -> bool:
    """Whether a curve is the baseline that takes channels at random."""
    return "random" in label.split(", ")[:2]  # a model may come first


def normalised(table: pd.DataFrame, problem: Declaration) -> pd.DataFrame:
    """Quality of every task between the floor (0) and the dense model (1) of the same seed, by the primary measure.

    Where models are compared, 1 is the best of their dense models, task by task: they are measured on one scale.

    Args:
        table: rows of a sweep, those of `floor` and `dense` among them.
        problem: says which measure stands for a task, and which way it is better.

    Returns:
        the table's index, a column a task; NaN where the dense model is no better than the floor.
    """
    references = {stage: table[table["stage"] == stage].groupby("seed") for stage in ("floor", "dense")}
    levels = {}
    for column in (column for column in problem.primary.values() if column in table):
        lower = problem.measures[column].higher_is_better is False
        dense = references["dense"][column]
        best = dense.min() if lower else dense.max()
        levels[column] = (references["floor"][column].mean().to_dict(), best.to_dict())

    def quality(row: dict, column: str) -> float:
        floor, dense = (level.get(row["seed"], math.nan) for level in levels.get(column, ({}, {})))
        return problem.quality(column, float(row.get(column, math.nan)), float(floor), float(dense))

    rows = table[["seed", *levels]].to_dict("records")
    return pd.DataFrame(
        [{task: quality(row, column) for task, column in problem.primary.items()} for row in rows],
        index=table.index,
        columns=list(problem.primary),
    )


def change(table: pd.DataFrame, problem: Declaration) -> pd.DataFrame:
    """Each row's normalised quality minus that of its reference of the same seed.

    The table names the reference: the dense model right after pruning, the dense control after fine-tuning.

    Returns:
        the table's index, a column a task.
    """
    quality = normalised(table, problem)
    tops = table["stage"].isin(["dense", "dense_control"])
    by_run = quality[tops].set_axis(table.loc[tops, "run"])
    return quality - by_run.reindex(table["reference"]).set_axis(table.index)


def baseline(curves: list[str]) -> str | None:
    """The curve of the runs that take channels at random; None if there is none."""
    return next((name for name in curves if is_random(name)), None)


def percent(share: float) -> str:
    """A ratio as text: 0.125 is "12.5%"."""
    return f"{100 * share:.4g}%"


def counted(number: int, thing: str) -> str:
    """A number and its noun: 1 seed, 5 seeds."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
