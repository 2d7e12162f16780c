"""What a pruned Mask R-CNN is to answer as the dense one does: about the anchors, regions and masks that train it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

import pruning
from experiments.errors import UserError
from experiments.settings.recipe import FinetuneSettings
from maskrcnn.network.forward import Forward
from maskrcnn.training.sampled_answers import answers_about

_PYRAMID = "pyramid"


def distillation(model: Any, teacher: Any, settings: FinetuneSettings) -> pruning.Distillation:
    """A term a task on the samples that its own loss sees, and one of the pyramid if the recipe names it as a layer.

    Objectness, classes and masks are soft targets from logits; deltas, on positives, are squared differences over the
    teacher's variance.

    Args:
        model: the MaskRCNN that learns.
        teacher: the dense one.
        settings: of the recipe.

    Raises:
        UserError: `distill_layers` names something else than the pyramid.
    """
    others = [name for name in settings.distill_layers if name != _PYRAMID]
    if others:
        raise UserError(
            f"finetune.distill_layers: {others[0]!r}: of a Mask R-CNN the feature maps that are compared are those of "
            f"its {_PYRAMID}"
        )
    binary = pruning.binary_soft_targets(settings.distill_temperature, from_logits=True)
    classes = pruning.soft_targets(settings.distill_temperature, from_logits=True)
    losses = {
        "proposal": binary, "proposal_boxes": pruning.relative_difference, "class": classes,
        "bbox": pruning.relative_difference, "mask": binary,
    }  # fmt: skip
    pairs = [pruning.DistilledPair(name, loss, settings.distill_weight) for name, loss in losses.items()]
    if _PYRAMID in settings.distill_layers:
        pairs.append(pruning.DistilledPair(_PYRAMID, pruning.relative_difference, settings.distill_layers_weight))

    def answers(one: Any, batch: Any, sampled: Any) -> dict[str, Any]:
        found = sampled
        if one is not model:
            found = answers_about(Forward(one.network, one.config, batch["image"], batch["image_size"]), sampled)
        return _compared(found, sampled)

    return pruning.Distillation(teacher, pairs, answers)


def _compared(found: Any, sampled: Any) -> dict[str, Any]:
    """What the pairs compare; where nothing was sampled both answers are 0, and so is their difference."""
    anchors, rois, masks = (sampled[name] for name in ("anchors", "rois", "masks"))

    def only(values: Any, where: Any) -> Any:
        where = tf.reshape(where, tf.concat([tf.shape(where), [1] * (len(values.shape) - len(where.shape))], 0))
        return tf.where(where, values, tf.zeros_like(values))

    return {
        "proposal": only(found["anchors"]["logits"], anchors["is_sampled"]),
        "proposal_boxes": only(found["anchors"]["answer"], anchors["is_sampled"] & anchors["is_positive"]),
        "class": only(found["rois"]["logits"], rois["is_sampled"]),
        "bbox": only(found["rois"]["answer"], rois["is_sampled"] & rois["is_positive"]),
        "mask": only(found["masks"]["logits"], masks["weights"] > 0),
        _PYRAMID: found["maps"],
    }
