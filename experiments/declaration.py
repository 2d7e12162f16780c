"""What a problem declares of itself: its tasks and measures, from which every column, plot and sentence comes.

A sweep writes its declaration into its folder as problem.json, so that tables, plots and reports need neither the
problem's code nor its network.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure of a task.

    Attributes:
        name: its key in what `Problem.evaluate` returns; the column is `<task>_<name>`.
        description: one line for tables of columns.
        title: two or three words, "box AP"; a measure with a title stands in summaries, others only in the full table.
        label: of a plot's axis; the title, else the name, if empty.
        higher_is_better: which way is better; None for a property of the data, which no model moves.
        floor: the trivial predictor whose figure `Problem.floors` gives; "" where there is none.
        margin: a loss against the dense control that one would put up with; reports say whether it is kept.
    """

    name: str
    description: str = ""
    title: str = ""
    label: str = ""
    higher_is_better: bool | None = True
    floor: str = ""
    margin: float | None = None

    @property
    def axis(self) -> str:
        """What an axis says."""
        return self.label or self.title or self.name.replace("_", " ")


@dataclasses.dataclass(frozen=True)
class Task:
    """One task of a network.

    Attributes:
        name: its key in `task_losses` and in what `Problem.evaluate` returns; the beginning of its columns.
        title: in plots and sentences, in the plural: "boxes".
        primary: name of the measure that stands for the task: no other task should be able to move it.
        higher_is_better: which way the primary measure is better.
        floor: the trivial predictor, in words: "the most frequent class".
        label: of the primary measure, on axes and in tables.
        measures: what else is known of the task's measures; the primary one may be described here instead.
        shared: whether it is no user's own but carries the others, as the proposals of a detector do: where tasks take
            turns in training, it trains in every turn.
    """

    name: str
    title: str
    primary: str
    higher_is_better: bool = True
    floor: str = ""
    label: str = ""
    measures: tuple[Measure, ...] = ()
    shared: bool = False

    def __post_init__(self) -> None:
        for name in (self.name, self.primary, *(measure.name for measure in self.measures)):
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"task {self.name!r}: {name!r} cannot be a column; expected lower-case letters, digits and _, "
                    "with a letter first"
                )
        if self.primary not in {measure.name for measure in self.measures}:
            text = f"{self.title}: {self.label or self.primary.replace('_', ' ')}"
            head = f"{self.title}: {self.label}" if self.label else text
            primary = Measure(self.primary, text, head, self.label, self.higher_is_better, self.floor)
            object.__setattr__(self, "measures", (primary, *self.measures))

    def measure(self, name: str) -> Measure:
        """A measure by its name.

        Raises:
            KeyError: the task declares none of that name.
        """
        return {measure.name: measure for measure in self.measures}[name]

    @property
    def column(self) -> str:
        """The column of the primary measure."""
        return f"{self.name}_{self.primary}"


@dataclasses.dataclass(frozen=True)
class Figure:
    """A tradeoff figure beside that of the primary measures.

    Attributes:
        name: of its files, behind "tradeoff_".
        title: a few words: "detection end to end".
        remark: a sentence for the caption.
        panels: column -> title of its panel.
    """

    name: str
    title: str
    remark: str
    panels: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Breakdown:
    """What a loss of quality is made of: a figure of bars, a panel a group.

    Attributes:
        name: of its files.
        title: a few words: "kinds of error".
        label: of the y axis; figures are drawn times `scale`.
        scale: 100 for points.
        caption: how to read it.
        panels: title of a panel -> {label of a bar: column}.
    """

    name: str
    title: str
    label: str
    caption: str
    panels: Mapping[str, Mapping[str, str]]
    scale: float = 1.0


@dataclasses.dataclass(frozen=True)
class Declaration:
    """All that a problem declares.

    Attributes:
        problem: as a recipe names it.
        tasks: in the order in which they are shown.
        figures, breakdowns: more figures.
        parts: part of the network, as plots tell them apart -> what its layers' names begin with; the longest
            beginning counts.
        loss_titles: name of a training loss -> what plots call it; all losses, by their names, if empty.
        columns: further columns of the table -> what they mean.
        photographs: whether examples may hold pictures that must not be passed on.
    """

    problem: str
    tasks: tuple[Task, ...]
    figures: tuple[Figure, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    parts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    loss_titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    photographs: bool = False

    def __post_init__(self) -> None:
        names = [task.name for task in self.tasks]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"problem {self.problem!r} declares the tasks {names}: expected one or more, each once")

    @property
    def primary(self) -> dict[str, str]:
        """Task -> column of the measure that stands for it."""
        return {task.name: task.column for task in self.tasks}

    @property
    def titles(self) -> dict[str, str]:
        """Task -> its title."""
        return {task.name: task.title for task in self.tasks}

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """Column -> measure, of all tasks."""
        return {f"{task.name}_{measure.name}": measure for task in self.tasks for measure in task.measures}

    @property
    def heads(self) -> dict[str, str]:
        """Column -> title, of the measures that stand in summaries: the primary ones first."""
        measures = self.measures
        order = [*self.primary.values(), *(column for column, measure in measures.items() if measure.title)]
        return {column: measures[column].title or measures[column].axis for column in dict.fromkeys(order)}

    @property
    def margins(self) -> dict[str, float]:
        """Column -> loss that one would put up with."""
        return {column: measure.margin for column, measure in self.measures.items() if measure.margin is not None}

    def quality(self, column: str, value: float, floor: float, dense: float) -> float:
        """(value - floor) / (dense - floor): 1 is the dense model, 0 the trivial predictor, whichever way is better.

        Returns:
            NaN where the dense model is no better than the floor, or a figure is missing.
        """
        better = self.measures[column].higher_is_better
        gain = dense - floor if better or better is None else floor - dense
        return (value - floor) / (dense - floor) if gain > 1e-12 else math.nan

    def part_of(self, layer: str) -> str:
        """The part that a layer or group belongs to: by the longest declared beginning, else its first name."""
        fitting = [(len(prefix), part) for part, prefix in self.parts.items() if layer.startswith(prefix)]
        return max(fitting)[1] if fitting else layer.partition("/")[0]

    def parts_in_order(self, found) -> list[str]:
        """Every part once: the declared ones in their order, each followed by patterns within it; then others."""
        declared = list(self.parts)

        def place(part: str) -> tuple[int, bool, str]:
            within = part if part in self.parts else self.part_of(part)
            return (declared.index(within) if within in declared else len(declared)), part not in self.parts, part

        return sorted(set(found), key=place)

    def to_json(self) -> str:
        """As text; `from_json` is the inverse."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Declaration:
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        content: dict[str, Any] = json.loads(text)
        tasks = tuple(
            Task(**{**task, "measures": tuple(Measure(**measure) for measure in task["measures"])})
            for task in content.pop("tasks")
        )
        figures = tuple(Figure(**figure) for figure in content.pop("figures"))
        breakdowns = tuple(Breakdown(**breakdown) for breakdown in content.pop("breakdowns"))
        return cls(tasks=tasks, figures=figures, breakdowns=breakdowns, **content)
