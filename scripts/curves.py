"""A sweep's table as curves: which rows belong together, what they cost, and what each task keeps of its quality."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from maskrcnn.evaluation import MEASURES, normalised_quality
from reading import SETTINGS

# The measure that stands for a task: no other task can move it.
PRIMARY = {
    "bbox": "bbox_refined_iou",
    "class": "class_accuracy",
    "mask": "mask_iou",
    "proposal": "proposal_ar100",
}
TASK_NAMES = {"bbox": "boxes", "class": "classes", "mask": "masks", "proposal": "proposals"}
STAGE_NAMES = {
    "floor": "floor: no model",
    "dense": "dense",
    "dense_control": "dense, same extra training",
    "pruned": "right after pruning",
    "recalibrated": "after recalibration",
    "finetuned": "after fine-tuning",
    "removed": "after fine-tuning, removed",
    "final": "after fine-tuning",
    "scratch": "same small network from scratch",
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


COSTS = {
    "macs": Cost("effective_macs", "MACs"),
    "params": Cost("effective_params", "parameters"),
    "bytes": Cost("effective_bytes", "bytes of weights"),
    "latency": Cost("latency_ratio", "measured latency", speed=True),
}


def left(table: pd.DataFrame, cost: str) -> pd.Series:
    """What is left of a cost: a row's, as a share of the dense model's of the same seed.

    Args:
        table: rows of a sweep, the dense ones among them.
        cost: a key of COSTS.

    Returns:
        a share for each row; NaN where the table does not say.
    """
    kind = COSTS[cost]
    if kind.column not in table:
        return pd.Series(math.nan, index=table.index)
    if kind.speed:
        return 1 / table[kind.column]
    dense = table[table["stage"] == "dense"].groupby("seed")[kind.column].mean()
    return table[kind.column] / table["seed"].map(dense)


def final(table: pd.DataFrame) -> pd.DataFrame:
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


def whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs that prune the whole network."""
    return rows[rows["part"].isna() | (rows["part"] == "all")]


def labels(rows: pd.DataFrame, among: pd.DataFrame) -> pd.Series:
    """The curve that each row belongs to: its criterion, and the settings that vary among other rows.

    Args:
        rows: to be named.
        among: rows whose settings are looked at, as a rule those of `final`.
    """
    varying = ["criterion"]
    varying += [n for n in SETTINGS if n not in ("criterion", "part") and among[n].nunique() > 1]
    named = [[str(value) for value in row if pd.notna(value)] for row in rows[varying].itertuples(index=False)]
    return pd.Series([", ".join(words) for words in named], index=rows.index, dtype=object)


def names(table: pd.DataFrame) -> list[str]:
    """The curves of a table, in its order, the random baseline last."""
    ends = whole(final(table))
    order = list(dict.fromkeys(labels(ends, ends)))
    return sorted(order, key=is_random)


def is_random(label: str) -> bool:
    """Whether a curve is the baseline that takes channels at random."""
    return label.split(", ")[0] == "random"


def normalised(table: pd.DataFrame, columns: dict[str, str] = PRIMARY) -> pd.DataFrame:
    """Quality between the floor (0) and the dense model (1) of the same seed: (m - floor) / (dense - floor).

    Args:
        table: rows of a sweep, those of `floor` and `dense` among them.
        columns: task -> its measure.

    Returns:
        the table's index, a column a task; NaN where the dense model is no better than the floor.
    """
    references = {
        stage: {row["seed"]: row for row in table[table["stage"] == stage].to_dict("records")}
        for stage in ("floor", "dense")
    }
    return pd.DataFrame(
        [
            {task: _quality(row, column, references) for task, column in columns.items()}
            for row in table.to_dict("records")
        ],
        index=table.index,
        columns=list(columns),
    )


def _quality(row: dict, column: str, references: dict[str, dict]) -> float:
    task, name = MEASURES[column].task, MEASURES[column].name
    low, high = ({task: {name: references[s].get(row["seed"], {}).get(column, math.nan)}} for s in ("floor", "dense"))
    return normalised_quality({task: {name: row.get(column, math.nan)}}, low, high)[task][name]


def percent(share: float) -> str:
    """A ratio as text: 0.125 is "12.5%"."""
    return f"{100 * share:.4g}%"


def counted(number: int, thing: str) -> str:
    """A number and its noun: 1 seed, 5 seeds."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
