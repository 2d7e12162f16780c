"""Schedules of one level: a constant sparsity, and a single cut."""

from dataclasses import dataclass

from schedules.schedule import Schedule, check_sparsity, check_steps


@dataclass(frozen=True)
class ConstantSparsity(Schedule):
    """The same sparsity from `begin_step` on.

    Args:
        target_sparsity: fraction in [0, 1).
        begin_step: first step that prunes.
        end_step: last step that prunes; -1, no end.
        frequency: steps between prunings.
    """

    target_sparsity: float
    begin_step: int
    end_step: int = -1
    frequency: int = 100

    def __post_init__(self) -> None:
        check_sparsity(self, "target_sparsity")
        check_steps(self, endless=True)

    def sparsity(self, step: int) -> float:
        return float(self.target_sparsity)


@dataclass(frozen=True)
class OneShot(Schedule):
    """One cut at one step, then fine-tuning.

    Args:
        target_sparsity: fraction in [0, 1).
        begin_step: the step of the cut; 0 prunes before the first update.
    """

    target_sparsity: float
    begin_step: int = 0

    def __post_init__(self) -> None:
        check_sparsity(self, "target_sparsity")
        check_steps(self, endless=False)

    @property
    def end_step(self) -> int:
        return self.begin_step

    @property
    def frequency(self) -> int:
        return 1

    def sparsity(self, step: int) -> float:
        return float(self.target_sparsity) if step >= self.begin_step else 0.0
