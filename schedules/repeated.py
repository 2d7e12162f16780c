"""A schedule that is run again and again, so that what was pruned wrongly may come back."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from schedules.schedule import Schedule, from_config


@dataclass(frozen=True)
class Repeated(Schedule):
    """Periodic pruning: a schedule's own range, several times, one after the other. Srinivas et al. 2022.

    "Cyclical Pruning for Sparse Neural Networks", arXiv 2202.01290, with a PolynomialDecay inside: each cycle prunes
    gradually to the final sparsity, and the next one begins at the initial sparsity again. (CyclicalSparsity has waves
    without a jump instead.) Only for what can regrow: a PruningCallback refuses it.

    ```python
    schedules.Repeated(schedules.PolynomialDecay(0.0, 0.8, 0, 1000), cycles=3)   # ends at step 3002
    ```

    A cycle is as long as the range of the schedule, both ends included, so that it begins one step after the end of the
    one before.

    Args:
        schedule: of one cycle, with an end; or its `get_config()`.
        cycles: how many, 1 or more.
    """

    rises: ClassVar[bool] = False

    schedule: Schedule | dict[str, Any]
    cycles: int = 3
    begin_step: int = field(init=False)
    end_step: int = field(init=False)
    frequency: int = field(init=False)

    def __post_init__(self) -> None:
        inner = from_config(self.schedule) if isinstance(self.schedule, dict) else self.schedule
        if not isinstance(inner, Schedule) or inner.end_step == -1:  # type: ignore[attr-defined]
            raise ValueError(f"Repeated: schedule is {self.schedule!r}; expected a schedule that has an end")
        if isinstance(self.cycles, bool) or not isinstance(self.cycles, int) or self.cycles < 1:
            raise ValueError(f"Repeated: cycles is {self.cycles!r}; expected a whole number of 1 or more")
        begin, end = inner.begin_step, inner.end_step  # type: ignore[attr-defined]
        length = end - begin + 1
        values = {
            "schedule": inner, "begin_step": begin, "end_step": begin + self.cycles * length - 1,
            "frequency": inner.frequency,  # type: ignore[attr-defined]
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def prunes(self, step: int) -> bool:
        """Whether to prune at `step`: when the schedule inside does in its own cycle."""
        return self.begin_step <= step <= self.end_step and self._inner.prunes(self._in_cycle(step))

    def sparsity(self, step: int) -> float:
        """The sparsity of the schedule inside; its initial one before, its final one after all cycles."""
        return self._inner.sparsity(self._in_cycle(step))

    def get_config(self) -> dict[str, Any]:
        config = {"schedule": self._inner.get_config(), "cycles": self.cycles}
        return {"class_name": type(self).__name__, "config": config}

    @property
    def _inner(self) -> Schedule:
        assert isinstance(self.schedule, Schedule)
        return self.schedule

    def _in_cycle(self, step: int) -> int:
        if step < self.begin_step or step > self.end_step:
            return step if step < self.begin_step else self._inner.end_step  # type: ignore[attr-defined]
        return self.begin_step + (step - self.begin_step) % (self._inner.end_step - self.begin_step + 1)  # type: ignore[attr-defined]
