"""A sweep's folder, read: its problem, its table, and the files beside each run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.declaration import Declaration, Task
from experiments.errors import UserError

if TYPE_CHECKING:  # drawing is imported when something is drawn
    from matplotlib.figure import Figure

    from experiments.table.claims.comparison import Verdict

NEEDED = ("run", "stage", "seed")
# What sets one curve of a plot apart from another, the strongest first; a table may lack any of them.
SETTINGS = ("model", "criterion", "arbiter", "scope", "normaliser", "schedule", "budget", "part", "retraining")


@dataclass(frozen=True)
class Widths:
    """What a run's plan says of every group of coupled channels.

    Attributes:
        sizes: group -> channels of the dense network.
        removed: group -> positions of the channels that go, ascending; a group may be missing.
    """

    sizes: dict[str, int]
    removed: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sweep:
    """What a sweep has written so far.

    Attributes:
        folder: `results/<name>`.
        table: rows of `runs.csv`; the columns of SETTINGS, `asked`, `macs_asked` and `reference` are always there,
            empty if the file lacks them.
        problem: what the problem declares of its tasks, from `problem.json`.
    """

    folder: Path
    table: pd.DataFrame
    problem: Declaration

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The problem's tasks, in the order in which they are shown."""
        return self.problem.tasks

    @property
    def runs(self) -> list[str]:
        """Names of all runs: those of the table, then those that have no row (yet)."""
        known = list(dict.fromkeys(self.table["run"]))
        folders = sorted(path.name for path in (self.folder / "runs").glob("*") if path.is_dir())
        return known + [name for name in folders if name not in known]

    @property
    def seeds(self) -> list[int]:
        """All seeds, ascending."""
        return sorted(int(seed) for seed in self.table["seed"].dropna().unique())

    # What one may ask for

    @property
    def kinds(self) -> list[str]:
        """Names of the figures that `plot` can draw from what is there."""
        from experiments.plots.draw import kinds

        return kinds(self)

    def plot(self, kind: str, **options: Any) -> Figure:
        """Draw one figure.

        Args:
            kind: its name, one of `kinds`: "tradeoff", "tasks", "pareto", ...
            options: fields of `experiments.plots.Options`, such as cost="latency", ratio=0.5, seed=0.

        Raises:
            UserError: there is no such figure or option, or the sweep lacks what the figure shows.
        """
        from experiments.plots.draw import draw_one

        return draw_one(self, kind, options)

    def verdict(self, first: str, second: str) -> Verdict:
        """What may be said about two settings, task by task.

        Args:
            first, second: selectors: a criterion, "taylor", or column=value pairs, "criterion=l1,scope=global".

        Returns:
            an object that prints as sentences, with `.text` and `.contrasts`.

        Raises:
            UserError: a selector stands for no run or for runs that differ, or the two have nothing in common.
        """
        from experiments.table.claims.comparison import verdict
        from experiments.table.selection import select

        return verdict(select(self, first), select(self, second))

    def report(self) -> Path:
        """Write report.html, and the plots beside it.

        Returns:
            the page's path.
        """
        from experiments.report.page import write_report

        return write_report(self.folder)

    # Files beside a run

    def path(self, run: str, name: str) -> Path:
        """Where a file of a run lies, if there is one."""
        return self.folder / "runs" / run / name

    def text(self, run: str, name: str) -> str | None:
        """A text file of a run; None if there is none."""
        path = self.path(run, name)
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def json(self, run: str, name: str) -> dict[str, Any] | None:
        """A JSON file of a run; None if there is none.

        Raises:
            UserError: the file is there and is no JSON.
        """
        text = self.text(run, name)
        try:
            return None if text is None else json.loads(text)
        except ValueError as error:
            raise UserError(f"{self.path(run, name)} is not JSON ({error}); delete it and do the run again") from None

    def history(self, run: str) -> pd.DataFrame | None:
        """Losses over the steps of a run's training; None if it has none."""
        path = self.path(run, "history.csv")
        return pd.read_csv(path) if path.is_file() else None

    def plan(self, run: str) -> Widths | None:
        """What was removed in a run; None if nothing was.

        Raises:
            UserError: the file is there and is no plan.
        """
        path = self.path(run, "plan.json")
        if not path.is_file():
            return None
        try:
            groups = json.loads(path.read_text(encoding="utf-8"))["groups"]
            sizes = {name: int(group["size"]) for name, group in groups.items()}
            removed = {name: tuple(map(int, group["removed"])) for name, group in groups.items()}
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(f"{path} is not a pruning plan ({error!r}); delete it and do the run again") from None
        for name, channels in removed.items():
            if list(channels) != sorted({*channels} & {*range(sizes[name])}):
                raise UserError(
                    f"{path} is not a pruning plan: group {name!r} has {sizes[name]} channels, and removes {channels}"
                )
        return Widths(sizes, removed)


def read(folder: Path | str) -> Sweep:
    """Read a sweep's folder.

    Args:
        folder: `results/<name>`; has runs.csv and problem.json.

    Raises:
        UserError: it has no table, the table is none of a sweep, or it does not say what the problem was.
    """
    folder = Path(folder)
    path = folder / "runs.csv"
    try:
        classes = [name for name in pd.read_csv(path, nrows=0) if name.endswith("_worst_class")]
        # Names of classes are text, also where they look like numbers.
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(classes, str))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table ({error}); a sweep writes it") from None
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}: it is not the table of a sweep, or an old one")
    numbers = ("asked", "macs_asked")
    lacking = [name for name in (*SETTINGS, *numbers, "reference") if name not in table]
    empty = pd.DataFrame({name: math.nan if name in numbers else None for name in lacking}, index=table.index)
    return Sweep(folder, pd.concat([table, empty], axis=1).copy(), read_declaration(folder))


def read_declaration(folder: Path) -> Declaration:
    """What the problem of a sweep declares.

    Raises:
        UserError: problem.json is not there, or is something else.
    """
    path = folder / "problem.json"
    if not path.is_file():
        raise UserError(
            f"{path} is not there: it says which tasks and measures the sweep has; the same sweep command, started "
            "again, writes it"
        )
    try:
        return Declaration.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} does not declare a problem ({error!r}); delete it: the same sweep command, started again, "
            "writes it"
        ) from None
