"""What a recipe says of `taskprune study phases`: which trainings are compared, and how their models are pruned."""

from __future__ import annotations

import typing
from typing import Annotated, Literal

import pydantic
from annotated_types import Gt, Lt

ArmName = Literal["joint", "joint, equal updates", "alternated", "in sequence", "by need"]


class PhasesArms(pydantic.BaseModel):
    """The arms of the study, and what is done with each one's dense model."""

    arms: tuple[ArmName, ...] = typing.get_args(ArmName)
    """trainings to compare. joint: all task losses at once; joint, equal updates: the same, with as many updates as
    each task has where they alternate; alternated: one task at a time, in many short turns; in sequence: one task
    after the other, then all, equal shares of the training; by need: weights that follow how much each loss moves."""
    order: tuple[str, ...] = ()
    """of the tasks where they take turns; as the problem declares them if empty. A task that the problem declares as
    shared has no turn: its loss always counts."""
    finetuned: tuple[Annotated[float, Gt(0), Lt(1)], ...] = ()
    """those of grid.ratio that are fine-tuned as well, in the first of grid.part; all if empty."""

    @pydantic.field_validator("arms", "order")
    @classmethod
    def _each_once(cls, value: tuple[str, ...], info: pydantic.ValidationInfo) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"{', '.join(value)}: expected each once")
        if info.field_name == "arms" and not value:
            raise ValueError(f"there are none; expected some of {', '.join(typing.get_args(ArmName))}")
        return value
