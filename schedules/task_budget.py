"""What pruning may cost each task: a budget, and the rule that says whether it is held and which task binds."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

UNITS = ("points", "absolute", "percent", "quality")
Measured = Mapping[str, Mapping[str, float]]  # task -> measure -> value


@dataclass(frozen=True)
class Judgement:
    """A model's measures held against a budget.

    Attributes:
        drops: task -> what it lost against the reference, in the budget's unit; negative where it gained, infinite
            where a measure is missing or no number.
        used: task -> drop as a share of what is allowed; the budget is held where none is above 1.
        binding: the task that used most of its allowance.
        held: whether every task stays within its allowance.
        over: the tasks that do not, the worst first.
    """

    drops: Mapping[str, float]
    used: Mapping[str, float]

    @property
    def binding(self) -> str:
        return max(self.used, key=lambda task: self.used[task])

    @property
    def held(self) -> bool:
        return not self.over

    @property
    def over(self) -> list[str]:
        crossed = [task for task, share in self.used.items() if share > 1.0]
        return sorted(crossed, key=lambda task: -self.used[task])

    def __str__(self) -> str:
        lost = ", ".join(f"{task} {drop:+.3g}" for task, drop in self.drops.items())
        return f"{'held' if self.held else 'not held'}, {self.binding} binds (lost: {lost})"


@dataclass(frozen=True, init=False)
class TaskBudget:
    """How much each task may lose against a reference.

    ```python
    TaskBudget(mask=1.0, bbox=0.5, measure={"mask": "mask_ap", "bbox": "bbox_ap"})    # points of AP
    TaskBudget(digit=2.0, slant=0.5, unit="quality", lower_is_better=("slant_rmse",))
    ```

    Args:
        allowed: task -> largest drop, in `unit`, of 0 or more; also as keywords.
        unit: "points", hundredths of the measure (1.0 is an AP of 0.40 that falls to 0.39); "absolute", in the
            measure's own unit (degrees); "percent" of the reference's value; "quality", hundredths of the way from the
            trivial predictor (the floor) to the reference.
        measure: the column that a task is judged by, "mask_ap": for several tasks a mapping task -> column, or one
            name that all have ("accuracy"). None: the first measure that a task has, which is its primary one.
        reference: the stage that drops are counted from: "dense_control" (trained as long as the pruned model) or
            "dense".
        stage: the stage that is judged: "finetuned", "pruned", ...
        split: the data that it is judged on while anything is chosen; the test split says in the end whether it held.
        lower_is_better: columns or tasks whose measure improves as it falls.

    Raises:
        ValueError: no task, a drop that is negative or no number, another unit, or a measure that fits no task.
    """

    allowed: Mapping[str, float]
    unit: str = "points"
    measure: Mapping[str, str] = field(default_factory=dict)
    reference: str = "dense_control"
    stage: str = "finetuned"
    split: str = "tune"
    lower_is_better: tuple[str, ...] = ()

    def __init__(
        self,
        allowed: Mapping[str, float] | None = None,
        *,
        unit: str = "points",
        measure: str | Mapping[str, str] | None = None,
        reference: str = "dense_control",
        stage: str = "finetuned",
        split: str = "tune",
        lower_is_better: Iterable[str] = (),
        **drops: float,
    ) -> None:
        given = {**(allowed or {}), **drops}
        if not given:
            raise ValueError("TaskBudget: no task has a budget; give one as in TaskBudget(mask=1.0)")
        for task, drop in given.items():
            number = isinstance(drop, int | float) and not isinstance(drop, bool) and math.isfinite(drop)
            if not number or drop < 0:
                raise ValueError(f"TaskBudget: {task} is {drop!r}; expected the largest drop, 0 or more")
        if unit not in UNITS:
            raise ValueError(f"TaskBudget: unit is {unit!r}; expected one of {', '.join(UNITS)}")
        if reference not in ("dense", "dense_control"):
            raise ValueError(f"TaskBudget: reference is {reference!r}; expected dense or dense_control")
        for name, value in {"stage": stage, "split": split}.items():
            if not isinstance(value, str) or not value:
                raise ValueError(f"TaskBudget: {name} is {value!r}; expected a name")
        for name, final in {
            "allowed": {task: float(drop) for task, drop in given.items()},
            "unit": unit,
            "measure": _measures(measure, list(given)),
            "reference": reference,
            "stage": stage,
            "split": split,
            "lower_is_better": (lower_is_better,) if isinstance(lower_is_better, str) else tuple(lower_is_better),
        }.items():
            object.__setattr__(self, name, final)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have a budget."""
        return tuple(self.allowed)

    def judge(self, reference: Measured, found: Measured, floors: Measured | None = None) -> Judgement:
        """Hold a model's measures against the budget.

        Args:
            reference: {task: {measure: value}} of the reference stage.
            found: the same, of the stage that is judged.
            floors: the same, of trivial predictors; needed for the unit "quality".

        Raises:
            ValueError: the reference, or a floor that is needed, lacks the measure of a task.
        """
        drops = {task: self._drop(task, reference, found, floors or {}) for task in self.allowed}
        return Judgement(drops, {task: _share(drop, self.allowed[task]) for task, drop in drops.items()})

    def judged_by(self, task: str, reference: Measured) -> str:
        """The name of the measure by which a task is judged, such as "ap"."""
        names = list(reference.get(task, {}))
        name = self.measure.get(task) or (names[0] if names else "")
        if name not in names:
            raise ValueError(
                f"TaskBudget: the reference has no measure {name or 'at all'!r} of task {task!r}; it has "
                f"{', '.join(names) or 'none'}, and the tasks {', '.join(reference)}"
            )
        return name

    def _drop(self, task: str, reference: Measured, found: Measured, floors: Measured) -> float:
        name = self.judged_by(task, reference)
        before, after = float(reference[task][name]), float(found.get(task, {}).get(name, math.nan))
        if not math.isfinite(before):
            raise ValueError(f"TaskBudget: the reference's {task}_{name} is {before}; expected a number")
        lower = task in self.lower_is_better or f"{task}_{name}" in self.lower_is_better
        lost = after - before if lower else before - after
        if not math.isfinite(lost):
            return math.inf
        if self.unit == "absolute":
            return lost
        if self.unit == "points":
            return 100.0 * lost
        whole = abs(before)
        if self.unit == "quality":
            floor = float(floors.get(task, {}).get(name, math.nan))
            whole = abs(before - floor)
            if not math.isfinite(floor):
                raise ValueError(f"TaskBudget: unit quality needs the floor of {task}_{name}: give floors= with it")
        if whole < 1e-12:
            raise ValueError(
                f"TaskBudget: the reference's {task}_{name} is {before:g}, of which {self.unit} cannot be taken; use "
                'unit="absolute"'
            )
        return 100.0 * lost / whole

    def get_config(self) -> dict[str, Any]:
        """Plain dict, in JSON's types; `from_config` is the inverse."""
        config = {
            "allowed": dict(self.allowed),
            "unit": self.unit,
            "measure": dict(self.measure) or None,
            "reference": self.reference,
            "stage": self.stage,
            "split": self.split,
            "lower_is_better": list(self.lower_is_better),
        }
        return {"class_name": type(self).__name__, "config": config}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "TaskBudget":
        """A budget from `get_config()`'s dict, or from its inner dict of arguments."""
        return cls(**config.get("config", config))


def _measures(measure: str | Mapping[str, str] | None, tasks: list[str]) -> dict[str, str]:
    """Task -> name of its measure, without the task's own name in front."""
    if measure is None:
        return {}
    if isinstance(measure, str):
        owners = [task for task in tasks if measure.startswith(f"{task}_")]
        if owners and len(tasks) > 1:
            raise ValueError(
                f"TaskBudget: measure is {measure!r}, which is task {owners[0]!r}'s; for {', '.join(tasks)} give a "
                f"mapping, as in {{{owners[0]!r}: {measure!r}, ...}}"
            )
        measure = dict.fromkeys(tasks, measure)
    unknown = [task for task in measure if task not in tasks]
    if unknown:
        raise ValueError(f"TaskBudget: measure names task {unknown[0]!r}; the budget is of {', '.join(tasks)}")
    return {task: name.removeprefix(f"{task}_") for task, name in measure.items()}


def _share(drop: float, allowed: float) -> float:
    if allowed > 0:
        return drop / allowed
    return math.inf if drop > 0 else 1.0 if drop == 0 else -math.inf
