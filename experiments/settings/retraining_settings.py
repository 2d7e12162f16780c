"""What a recipe says of the ways of retraining, beside the steps and rates that all of them share."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from annotated_types import Ge, Gt, Lt

RetrainingName = Literal[
    "finetune", "rewind", "lr_rewind", "weight_rewind", "swd", "greg", "distill", "scratch", "none"
]  # fmt: skip
DECAYING = ("swd", "greg")
OWN_CUTS = ("weight_rewind", *DECAYING)
"""Ways that say themselves when channels go, whatever the schedule."""
_MATTERS = {
    "rewind_rounds": ("weight_rewind",),
    "decay_share": DECAYING,
    "decay_interval": DECAYING,
    "swd_first": ("swd",),
    "swd_last": ("swd",),
    "greg_ceiling": ("greg",),
    "greg_variant": ("greg",),
    "distill_weight": ("distill",),
    "distill_temperature": ("distill",),
    "distill_layers": ("distill",),
    "distill_layers_weight": ("distill",),
}
"""Setting -> the ways that it matters for."""


class RetrainingSettings(pydantic.BaseModel):
    """The settings of single ways; each way looks at its own."""

    rewind_rounds: Annotated[int, Ge(1)] = 1
    """weight_rewind: cuts, each with its share of the steps; several are iterative magnitude pruning."""
    decay_share: Annotated[float, Gt(0), Lt(1)] = 0.5
    """swd, greg: share of the steps in which the channels that will go decay; then they are cut."""
    decay_interval: Annotated[int, Ge(1)] = 10
    """swd: updates between choices of the channels; greg: between increments of the decay."""
    swd_first: Annotated[float, Gt(0)] = 0.1
    """swd: what multiplies training.weight_decay at the first update."""
    swd_last: Annotated[float, Gt(0)] = 1e5
    """swd: what multiplies it at the cut; it grows exponentially."""
    greg_ceiling: Annotated[float, Gt(0)] = 100.0
    """greg: the decay at the cut: an update takes learning_rate * greg_ceiling of a weight there."""
    greg_variant: Literal[1, 2] = 1
    """greg: 1 chooses channels at once; 2 lets all decay a little first, and then chooses."""
    distill_weight: Annotated[float, Gt(0)] = 1.0
    """distill: of the terms that compare answers, beside the tasks' own losses."""
    distill_temperature: Annotated[float, Gt(0)] = 2.0
    """distill: that logits are divided by."""
    distill_layers: tuple[str, ...] = ()
    """distill: layers whose feature maps are compared too, by name or path."""
    distill_layers_weight: Annotated[float, Gt(0)] = 0.1
    """distill: of each of these layers."""


def control_of(way: str) -> str | None:
    """The training of the dense control that has as many updates, at the same rates; None where there is none."""
    if way in ("finetune", "distill", *DECAYING):
        return "finetune"
    return "rewind" if way in ("rewind", "weight_rewind") else None


def mattering(finetune: dict, way: str | None) -> dict:
    """Settings of fine-tuning without those that do not matter for a way.

    Args:
        finetune: all of them.
        way: of retraining; a rewound one takes its rates from the training.
    """
    found = {name: value for name, value in finetune.items() if way in _MATTERS.get(name, (way,))}
    if way is not None and control_of(way) == "rewind":
        for name in ("learning_rate", "warmup_steps"):
            del found[name]
    return found


def check_ways(ways: tuple[str, ...], finetune: RetrainingSettings, steps: int, trained: int, decay: float) -> None:
    """Refuse what cannot be done.

    Args:
        ways: of retraining.
        finetune: their settings.
        steps: of the fine-tuning; trained: of the training.
        decay: its weight decay.

    Raises:
        ValueError: says what was found and expected.
    """
    rounds = finetune.rewind_rounds
    if "rewind" in ways and steps > trained:
        raise ValueError(
            f"retraining: rewind takes the last {steps} learning rates of the training (finetune.steps), which has "
            f"{trained} (training.steps)"
        )
    if "weight_rewind" in ways and not rounds <= steps <= rounds * trained:
        raise ValueError(
            f"retraining: weight_rewind goes {steps // rounds} updates back in each of {rounds} rounds (finetune.steps "
            f"/ finetune.rewind_rounds); expected 1 to {trained} (training.steps)"
        )
    if "swd" in ways and not decay:
        raise ValueError("retraining: swd multiplies training.weight_decay, which is 0; give one, such as 1e-4")
    if "swd" in ways and finetune.swd_first > finetune.swd_last:
        raise ValueError(
            f"finetune.swd_first is {finetune.swd_first:g}, above swd_last, {finetune.swd_last:g}: the decay grows"
        )
