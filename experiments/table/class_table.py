"""What a measure is of each class alone: kept beside a run's answers, gathered into a table of the sweep's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from experiments.errors import UserError
from experiments.runs.run_folder import write_text
from experiments.table.sweep_data import Sweep

CLASSES = "classes.csv"  # of a sweep
OBJECTS = "objects"  # no measure: how many samples or objects a class has


def class_file(run: Path, stage: str) -> Path:
    """Where a run keeps its classes' measures at a stage."""
    return run / f"{stage}.classes.csv"


def keep_class_measures(run: Path, stage: str, measures: Mapping[str, Mapping[str, float]]) -> None:
    """Write {column: {class: value}} as a table of a row a class; nothing where no measure has classes."""
    if measures:
        table = pd.DataFrame(measures)
        write_text(class_file(run, stage), table.to_csv(index_label="class", float_format="%.6g"))


def gathered(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """What the runs of a sweep kept, as one table: a row for each run, stage and class.

    Args:
        folder: of the sweep; rows: of its table, in whose order they come.

    Raises:
        UserError: a run's file cannot be read.
    """
    found = {
        (run, stage): _read(path)
        for run, stage in rows[["run", "stage"]].itertuples(index=False)
        if (path := class_file(folder / "runs" / run, stage)).is_file()
    }
    return pd.concat(found, names=["run", "stage"]).reset_index() if found else pd.DataFrame()


def class_measures(sweep: Sweep, rows: pd.DataFrame) -> pd.DataFrame:
    """The classes' measures of some rows of a sweep, from its classes.csv.

    Args:
        sweep: that the rows are of.
        rows: with `run` and `stage`.

    Returns:
        a row for each of them and each class: index (row of the sweep, class), a column a measure; classes in the
        order of their objects, the most first. Rows whose run kept nothing are missing.

    Raises:
        UserError: the file cannot be read.
    """
    path = sweep.folder / CLASSES
    kept = rows.reset_index(names="row")[["row", "run", "stage"]]
    if not path.is_file():
        return pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []], names=["row", "class"]))
    every = kept.merge(_read(path, ["run", "stage"]).reset_index(), on=["run", "stage"])
    every = every.drop(columns=["run", "stage"]).set_index(["row", "class"])
    if OBJECTS in every:
        most = every[OBJECTS].groupby("class").max().sort_values(ascending=False, kind="stable", na_position="last")
        every = every.reindex(most.index, level="class")
    return every


def _read(path: Path, more: Sequence[str] = ()) -> pd.DataFrame:
    """A table by class; names of classes are text, also where they look like numbers."""
    try:
        table = pd.read_csv(path, dtype={"class": str}, keep_default_na=False, na_values=[""])
        return table.set_index([*more, "class"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read as a table ({error}); delete it: it is left out then") from None


def class_changes(sweep: Sweep, rows: pd.DataFrame) -> pd.DataFrame:
    """The same minus what the same class has in each row's reference; a column a measure that the problem declares.

    Rows whose reference kept nothing are missing.
    """
    tops = sweep.table[sweep.table["stage"].isin(["dense", "dense_control"])]
    now, before = class_measures(sweep, rows), class_measures(sweep, tops)
    columns = [name for name in now if name in sweep.problem.measures and name in before]
    of_run = {run: index for index, run in tops["run"].items()}
    found = {
        row: now.loc[row, columns] - before.loc[of_run[run], columns]
        for row, run in rows["reference"].items()
        if row in now.index and of_run.get(run) in before.index
    }
    order = now.index.get_level_values("class").unique()
    return pd.concat(found, names=["row"]).reindex(order, level="class") if found else now.iloc[:0]


def class_means(changes: pd.DataFrame, rows: pd.Index) -> pd.DataFrame:
    """Means over some rows of a sweep, a row a class, in the order of `changes`, which `class_changes` gave."""
    return changes[changes.index.get_level_values("row").isin(rows)].groupby("class", sort=False).mean()
