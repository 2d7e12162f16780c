"""Schedules that follow a curve from an initial to a final sparsity between two steps."""

import math
from dataclasses import dataclass
from typing import ClassVar

from schedules.schedule import Schedule, check_count, check_number, check_rise, check_sparsity, check_steps

_LARGEST_EXPONENT = 700  # e^709 is the largest that a float holds


class _Curve(Schedule):
    """What the curves share: the checks, and progress 0..1 between begin_step and end_step."""

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    frequency: int

    def __post_init__(self) -> None:
        check_sparsity(self, "initial_sparsity")
        check_sparsity(self, "final_sparsity")
        check_rise(self, self.initial_sparsity, self.final_sparsity)
        check_steps(self, endless=False)

    def progress(self, step: int) -> float:
        """Progress through the range, clipped to [0, 1]; an empty range is over at its only step."""
        if step >= self.end_step:
            return 1.0
        if step <= self.begin_step:
            return 0.0
        return (step - self.begin_step) / (self.end_step - self.begin_step)

    def sparsity(self, step: int) -> float:
        """s_i + (s_f - s_i) * rise(progress); exactly s_f from end_step on."""
        progress = self.progress(step)
        if progress == 1.0:
            return float(self.final_sparsity)
        return self.initial_sparsity + (self.final_sparsity - self.initial_sparsity) * self.rise(progress)

    def rise(self, progress: float) -> float:
        """Part of the way from initial to final sparsity at `progress` in [0, 1)."""
        raise NotImplementedError


@dataclass(frozen=True)
class PolynomialDecay(_Curve):
    """Gradual pruning: s_f + (s_i - s_f) (1 - p)^power. Zhu & Gupta 2017, arXiv 1710.01878.

    Args:
        initial_sparsity: fraction at begin_step, in [0, 1).
        final_sparsity: fraction at end_step, in [0, 1).
        begin_step: first step that prunes.
        end_step: last step that prunes; needed, and it always prunes.
        power: exponent; 3 is the paper's cubic.
        frequency: steps between prunings.
    """

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    power: float = 3
    frequency: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        expected = "an exponent above 0 (3 is the cubic)"
        if check_number(self, "power", expected) <= 0:
            raise ValueError(f"PolynomialDecay: power is {self.power}; expected {expected}")

    def rise(self, progress: float) -> float:
        return 1.0 - (1.0 - progress) ** self.power


@dataclass(frozen=True)
class IterativeSparsity(_Curve):
    """Equal cuts with fine-tuning between them. Han et al. 2015.

    The first cut follows begin_step, the last comes before end_step, `n_steps` in all, each at the step where the
    sparsity rises, whatever the frequency.
    Arguments as PolynomialDecay's, and n_steps: how many cuts.
    """

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    n_steps: int = 3
    frequency: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "n_steps", "a whole number of cuts, 1 or more")

    def prunes(self, step: int) -> bool:
        rises = self.begin_step < step <= self.end_step and self.sparsity(step) > self.sparsity(step - 1)
        return rises or super().prunes(step)

    def rise(self, progress: float) -> float:
        # The small term keeps 2/3 * 3 = 2.0000000000000004 from counting as a third cut.
        return math.ceil(progress * self.n_steps - 1e-9) / self.n_steps


@dataclass(frozen=True)
class ExponentialSparsity(_Curve):
    """The same share of what remains goes each step: 1 - s = (1 - s_i) ((1 - s_f) / (1 - s_i))^p.

    The continuous form of the lottery ticket's "20 % of the remaining each round" (Frankle & Carbin 2019).
    Arguments as PolynomialDecay's, without power.
    """

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    frequency: int = 100

    def sparsity(self, step: int) -> float:
        progress = self.progress(step)
        if progress == 1.0:
            return float(self.final_sparsity)
        remaining = 1.0 - self.initial_sparsity
        return 1.0 - remaining * ((1.0 - self.final_sparsity) / remaining) ** progress


@dataclass(frozen=True)
class CosineSparsity(_Curve):
    """Half a cosine: slow, fast, slow. Arguments as PolynomialDecay's, without power."""

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    frequency: int = 100

    def rise(self, progress: float) -> float:
        return (1.0 - math.cos(math.pi * progress)) / 2.0


@dataclass(frozen=True)
class OneCycleSparsity(_Curve):
    """One-cycle pruning: s_i + (s_f - s_i) (1 + e^(b - a)) / (1 + e^(b - a p)). Hubens et al. 2021.

    As published it starts 0.25 % of the way above initial_sparsity (a = 14, b = 6), and is meant to run
    from the first training step. Arguments as PolynomialDecay's, and a and b: steepness and offset.
    """

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    a: float = 14.0
    b: float = 6.0
    frequency: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if check_number(self, "a", "a steepness above 0") <= 0:
            raise ValueError(f"OneCycleSparsity: a is {self.a}; expected a steepness above 0")
        if check_number(self, "b", "an offset") > _LARGEST_EXPONENT:
            raise ValueError(
                f"OneCycleSparsity: b is {self.b}; expected an offset of at most {_LARGEST_EXPONENT}, so that e^b is a "
                "number (the published one is 6)"
            )

    def rise(self, progress: float) -> float:
        return (1.0 + math.exp(self.b - self.a)) / (1.0 + math.exp(self.b - self.a * progress))


@dataclass(frozen=True)
class CyclicalSparsity(_Curve):
    """Cosine waves between the two sparsities that end at the final one. After Srinivas et al. 2022.

    Sparsity falls between waves, so that wrongly pruned weights may recover: only for what can regrow.
    Arguments as PolynomialDecay's, and cycles: how many times the final sparsity is reached.
    """

    rises: ClassVar[bool] = False

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    cycles: int = 3
    frequency: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "cycles", "a whole number of waves, 1 or more")

    def rise(self, progress: float) -> float:
        return (1.0 - math.cos(math.pi * (2 * self.cycles - 1) * progress)) / 2.0
