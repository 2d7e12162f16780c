"""What a measure is of each class alone: kept beside a run's answers, and read again as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from experiments.errors import UserError
from experiments.runs.run_folder import write_text
from experiments.table.sweep_data import Sweep

OBJECTS = "objects"  # no measure: how many samples or objects a class has


def class_file(run: Path, stage: str) -> Path:
    """Where a run keeps its classes' measures at a stage."""
    return run / f"{stage}.classes.csv"


def keep_class_measures(run: Path, stage: str, measures: Mapping[str, Mapping[str, float]]) -> None:
    """Write {column: {class: value}} as a table of a row a class; nothing where no measure has classes."""
    if measures:
        table = pd.DataFrame(measures)
        write_text(class_file(run, stage), table.to_csv(index_label="class", float_format="%.6g"))


def class_measures(sweep: Sweep, rows: pd.DataFrame) -> pd.DataFrame:
    """The classes' measures of some rows of a sweep.

    Args:
        sweep: that the rows are of.
        rows: with `run` and `stage`.

    Returns:
        a row for each of them and each class: index (row of the sweep, class), a column a measure; classes in the
        order of their objects, the most first. Rows whose run kept nothing are missing.

    Raises:
        UserError: a file cannot be read.
    """
    found: dict[object, pd.DataFrame] = {}
    for index, run, stage in rows[["run", "stage"]].itertuples():
        path = class_file(sweep.folder / "runs" / run, stage)
        if path.is_file():
            try:
                # Names of classes are text, also where they look like numbers.
                table = pd.read_csv(path, dtype={"class": str}, keep_default_na=False, na_values=[""])
                found[index] = table.set_index("class")
            except (OSError, ValueError, KeyError) as error:
                raise UserError(f"{path} cannot be read as a table ({error}); delete it, or its run") from None
    if not found:
        return pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []], names=["row", "class"]))
    every = pd.concat(found, names=["row"])
    if OBJECTS in every:
        most = every[OBJECTS].groupby("class").max().sort_values(ascending=False, kind="stable", na_position="last")
        every = every.reindex(most.index, level="class")
    return every


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
