"""What a Functional model with several outputs is to answer as a dense one does: each output, by its task's loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

import pruning
from experiments.errors import UserError
from experiments.settings.recipe import FinetuneSettings


def distillation(
    kind: str,
    model: keras.Model,
    teacher: keras.Model,
    losses: Mapping[str, Any] | None,
    weights: Mapping[str, float] | None,
    settings: FinetuneSettings,
) -> pruning.Distillation:
    """Soft targets where a task's loss is a cross-entropy; else the squared difference over the teacher's variance.

    Args:
        kind: name of the problem.
        model: that learns.
        teacher: the dense one.
        losses: output -> loss of its task.
        weights: output -> weight of its loss in training. It weighs the soft targets as well; a difference that has no
            unit weighs 1.
        settings: of the recipe.

    Raises:
        UserError: the problem has no losses by output, or no layer of a name that the recipe gives.
    """
    if losses is None:
        raise UserError(
            f"{kind}: retraining: distill compares outputs by the losses of their tasks: set `losses` to {{task: "
            "loss}}, or define distillation(model, teacher, settings)"
        )
    pairs = []
    for task, loss in losses.items():
        term = _term(loss, settings.distill_temperature)
        weight = 1.0 if term is pruning.relative_difference else (weights or {}).get(task, 1.0)
        pairs.append(pruning.DistilledPair(task, term, settings.distill_weight * weight))
    return pruning.Distillation(teacher, pairs + feature_pairs(model, settings))


def feature_pairs(model: Any, settings: FinetuneSettings) -> list[pruning.DistilledPair]:
    """The layers whose feature maps are compared.

    Raises:
        UserError: the model has no layer of that name.
    """
    paths = {call.path: call.layer.name for call in pruning.ChannelGraph(model).calls}
    unknown = [name for name in settings.distill_layers if name not in paths and name not in paths.values()]
    if unknown:
        raise UserError(
            f"finetune.distill_layers: the network has no layer {unknown[0]!r}; it has {', '.join(paths)}"
        )
    return [
        pruning.DistilledPair(name, pruning.relative_difference, settings.distill_layers_weight)
        for name in settings.distill_layers
    ]


def _term(loss: Any, temperature: float) -> Any:
    found = keras.losses.get(loss)
    name = str(getattr(found, "name", None) or getattr(found, "__name__", ""))
    config = found.get_config() if isinstance(found, keras.losses.Loss) else {}
    logits = bool(config.get("from_logits", False))
    if "categorical_crossentropy" in name:
        return pruning.soft_targets(temperature, logits)
    if "binary" in name and "crossentropy" in name:
        return pruning.binary_soft_targets(temperature, logits)
    return pruning.relative_difference
