"""How much each task's loss counts, and when: phases of loss weights, before, during and after pruning."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNITS = ("step", "epoch")


@dataclass(frozen=True)
class LossPhases:
    """Factors of the task losses, phase by phase: calling it with a step (or epoch) gives {task: factor}.

    ```python
    LossPhases([(0, {"class": 1, "mask": 0}), (500, {"class": 1, "mask": 1})])
    LossPhases.in_turn(("class", "bbox", "mask"), 400, always=("proposal",))    # one task after the other
    LossPhases.around(schedule, during={"mask": 2.0})                           # by what pruning does then
    ```

    A factor multiplies the weight that the task's loss has otherwise, so that 1 leaves it as it is.

    Args:
        phases: (begin, {task: factor of 0 or more}) in ascending order, or a mapping of the same. The first begins at
            0; every phase names the same tasks, and no phase gives all of them 0.
        unit: what begins are counted in: "step" (optimizer updates) or "epoch".
        ramp: steps or epochs over which a phase's factors change from those of the phase before, linearly; at most as
            long as the shortest phase that follows another.

    Raises:
        ValueError: anything else; names the phase, what was found and what was expected.
    """

    phases: tuple[tuple[int, Mapping[str, float]], ...]
    unit: str = "step"
    ramp: int = 0

    def __post_init__(self) -> None:
        given = self.phases.items() if isinstance(self.phases, Mapping) else self.phases
        try:
            phases = tuple((begin, dict(weights)) for begin, weights in given)
        except (TypeError, ValueError):
            raise ValueError(
                f"LossPhases: phases are {self.phases!r}; expected pairs such as (0, {{'class': 1.0}})"
            ) from None
        if self.unit not in UNITS:
            raise ValueError(f"LossPhases: unit is {self.unit!r}; expected one of {', '.join(UNITS)}")
        if not phases or phases[0][0] != 0:
            raise ValueError("LossPhases: the first phase must begin at 0")
        begins = [_whole("a phase's begin", begin) for begin, _ in phases]
        if any(later <= earlier for earlier, later in zip(begins, begins[1:], strict=False)):
            raise ValueError(f"LossPhases: phases begin at {begins}; expected ascending numbers")
        tasks = list(phases[0][1])
        for begin, weights in phases:
            _check_weights(begin, weights, tasks)
        lengths = [later - earlier for earlier, later in zip(begins[1:], begins[2:], strict=False)]
        if _whole("ramp", self.ramp) > min(lengths, default=self.ramp):
            raise ValueError(
                f"LossPhases: ramp is {self.ramp}, longer than a phase of {min(lengths)} {self.unit}s; shorten it"
            )
        object.__setattr__(self, "phases", tuple((b, {t: float(w[t]) for t in tasks}) for b, w in phases))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that the phases name."""
        return tuple(self.phases[0][1])

    def __call__(self, step: int) -> dict[str, float]:
        """The factors that hold at a step (or epoch, by `unit`): {task: factor}."""
        number = max(n for n, (begin, _) in enumerate(self.phases) if begin <= max(int(step), 0))
        begin, weights = self.phases[number]
        if number == 0 or step - begin >= self.ramp:
            return dict(weights)
        share = (step - begin) / self.ramp
        before = self.phases[number - 1][1]
        return {task: before[task] + share * (weights[task] - before[task]) for task in weights}

    def updates(self, until: int) -> dict[str, int]:
        """In how many of the first `until` steps each task's loss counts, for a control of equal updates."""
        counts = dict.fromkeys(self.tasks, 0)
        for step in range(until):
            for task, factor in self(step).items():
                counts[task] += factor > 0
        return counts

    @classmethod
    def in_turn(
        cls,
        tasks: Sequence[str],
        length: int,
        *,
        begin: int = 0,
        always: Iterable[str] = (),
        others: float = 0.0,
        rounds: int = 1,
        unit: str = "step",
        ramp: int = 0,
    ) -> "LossPhases":
        """One task at a time, as in the original experiment ("class, then box, then mask"), and then all of them.

        Args:
            tasks: in the order of their turns.
            length: steps (or epochs) of a turn.
            begin: when the first turn begins; all tasks count 1 before it.
            always: tasks that count 1 in every turn, such as the proposals that all others need.
            others: factor of the tasks whose turn it is not.
            rounds: times that all turns are taken.
            unit, ramp: as for the class.

        Returns:
            phases; after the last turn all tasks count 1.
        """
        if isinstance(tasks, str) or isinstance(always, str):
            raise ValueError(f"LossPhases.in_turn: tasks are {tasks!r}, always {always!r}; expected sequences of names")
        tasks, always = tuple(tasks), tuple(always)
        if len(set(tasks)) != len(tasks) or not tasks or set(tasks) & set(always):
            raise ValueError(f"LossPhases.in_turn: tasks {tasks} and always {always}: expected each task once")
        if _whole("length", length) < 1 or _whole("rounds", rounds) < 1 or _whole("begin", begin) < 0:
            raise ValueError(
                f"LossPhases.in_turn: length is {length}, rounds {rounds}, begin {begin}; expected a length and rounds "
                "of 1 or more"
            )
        joint = dict.fromkeys((*always, *tasks), 1.0)
        phases: list[tuple[int, dict[str, float]]] = [(0, joint)] if begin else []
        turns = [task for _ in range(rounds) for task in tasks]
        for number, turn in enumerate(turns):
            phases.append((begin + number * length, joint | {task: others for task in tasks if task != turn}))
        phases.append((begin + len(turns) * length, joint))
        return cls(tuple(phases), unit, ramp)

    @classmethod
    def around(
        cls,
        schedule: Any,
        *,
        before: Mapping[str, float] | None = None,
        during: Mapping[str, float] | None = None,
        after: Mapping[str, float] | None = None,
        ramp: int = 0,
    ) -> "LossPhases":
        """Phases that follow a pruning schedule: before its first cut, from there to its last one, and after that.

        Args:
            schedule: with `begin_step` and `end_step`.
            before, during, after: {task: factor}; a task that one of them names counts 1 where another does not.
            ramp: as for the class.

        Raises:
            ValueError: the schedule has no end, or nothing is weighed.
        """
        first, last = schedule.begin_step, schedule.end_step
        if last < first:
            raise ValueError(f"LossPhases.around: {schedule!r} has no end; give a schedule with an end_step")
        given = [dict(weights or {}) for weights in (before, during, after)]
        tasks = dict.fromkeys(task for weights in given for task in weights)
        if not tasks:
            raise ValueError("LossPhases.around: give the weights of at least one phase")
        full = [{task: weights.get(task, 1.0) for task in tasks} for weights in given]
        # The cut at a step comes before its update: what follows the last cut begins with the update of that step.
        phases = dict(zip((0, first, last), full, strict=True))
        return cls(tuple(sorted(phases.items())), "step", ramp)

    def get_config(self) -> dict[str, Any]:
        """Plain dict, in JSON's types; `from_config` is the inverse."""
        return {
            "class_name": type(self).__name__,
            "config": {
                "phases": [[begin, dict(weights)] for begin, weights in self.phases],
                "unit": self.unit,
                "ramp": self.ramp,
            },
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "LossPhases":
        """Phases from `get_config()`'s dict, or from its inner dict of arguments."""
        inner = dict(config.get("config", config))
        unknown = sorted(set(inner) - {"phases", "unit", "ramp"})
        if unknown or "phases" not in inner:
            raise ValueError(f"LossPhases.from_config: got {config!r}; expected the dict of get_config()")
        return cls(**inner)


def _whole(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"LossPhases: {what} is {value!r}; expected a whole number of 0 or more")
    return value


def _check_weights(begin: int, weights: Mapping[str, float], tasks: list[str]) -> None:
    where = f"LossPhases: the phase that begins at {begin}"
    if set(weights) != set(tasks) or not tasks:
        raise ValueError(f"{where} weighs {sorted(weights)}, the first one {sorted(tasks)}; expected the same tasks")
    for task, weight in weights.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool) and math.isfinite(weight)
        if not number or weight < 0:
            raise ValueError(f"{where} gives task {task!r} the factor {weight!r}; expected a number of 0 or more")
    if not any(weights.values()):
        raise ValueError(f"{where} gives every task 0: nothing would train")
