"""The optimizer that a recipe asks for, and its learning rate at every update."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras

import pruning
from experiments.settings.recipe import FinetuneSettings, TrainingSettings
from experiments.settings.retraining_settings import control_of


def optimizer(training: TrainingSettings) -> keras.optimizers.Optimizer:
    """The optimizer, able to hold masks; its learning rate is set step by step (`rates`)."""
    common = dict(weight_decay=training.weight_decay or None, global_clipnorm=training.clip_norm)
    if training.optimizer == "adamw":
        made = keras.optimizers.AdamW(training.learning_rate, **common)
    else:
        made = keras.optimizers.SGD(training.learning_rate, momentum=training.momentum, **common)
    return pruning.masked(made)


def rates(peak: float, steps: int, warmup_steps: int, final: float = 0.0) -> Callable[[int], float]:
    """Learning rate by step: linear from peak / 10 over the warm-up, then half a cosine to `final` * peak.

    Args:
        peak: the highest rate.
        steps: updates in all.
        warmup_steps: of them; at most a quarter of all is used.
        final: share of the peak at the end.
    """
    warmup = min(warmup_steps, steps // 4)

    def rate(step: int) -> float:
        if step < warmup:
            return peak * (0.1 + 0.9 * step / warmup)
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        return peak * (final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2)

    return rate


def training_rates(settings: TrainingSettings) -> Callable[[int], float]:
    """Learning rates of the dense model's training."""
    return rates(settings.learning_rate, settings.steps, settings.warmup_steps, settings.final_rate)


def finetuning_rates(settings: FinetuneSettings, training: TrainingSettings, way: str) -> Callable[[int], float]:
    """Learning rates of fine-tuning; those of a rewound one are the last ones of the training, in every round.

    Renda et al., ICLR 2020, arXiv 2003.02389.

    Args:
        settings: of the fine-tuning; training: of the training before it.
        way: of retraining.
    """
    if control_of(way) != "rewind":
        return rates(settings.learning_rate, settings.steps, settings.warmup_steps)
    rate, rounds = training_rates(training), settings.rewind_rounds
    length = settings.steps // rounds
    first = training.steps - length

    def rewound(step: int) -> float:
        return rate(first + step - length * min(rounds - 1, step // length))

    return rewound
