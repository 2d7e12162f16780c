"""What `MaskRCNN.compile` takes of Keras's options, and what it refuses by name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import keras
import tensorflow as tf

from maskrcnn.losses import NAMES
from maskrcnn.network import leaf_layers
from maskrcnn.training.loss_scaling import ReplicaLossScaleOptimizer

_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")


def check_options(options: Mapping, config) -> None:
    """Raises a ValueError for an option that cannot be honoured: `loss`, metrics, or XLA where shapes hang on data."""
    if options.get("loss") is not None:
        raise ValueError("MaskRCNN has its own five losses: weigh them by compile(loss_weights={name: weight})")
    for name in ("metrics", "weighted_metrics"):
        if options.get(name):
            raise ValueError(
                f"compile({name}=...): Keras's metrics compare one answer with one target, which MaskRCNN has not; the "
                "five losses are logged without asking, maskrcnn.callbacks.Evaluate adds AP and each task's measures"
            )
    if options.get("jit_compile", "auto") is True and config.mask_target_sampling_ratio == 0:
        raise ValueError(
            "jit_compile=True: XLA needs shapes that do not depend on data, and with mask_target_sampling_ratio=0 "
            "(MaskRCNNConfig.torchvision) each region's mask is sampled as often as it is large; give the config "
            "mask_target_sampling_ratio=2, or leave jit_compile alone"
        )


def check_loss_weights(weights) -> dict[str, float]:
    """Loss weights by name.

    Raises:
        ValueError: they are no dict, or name another loss.
    """
    if not isinstance(weights, Mapping):
        raise ValueError(f"loss_weights={weights!r}: expected a dict with some of {', '.join(NAMES)}")
    unknown = [name for name in weights if name not in NAMES]
    if unknown:
        raise ValueError(f"loss_weights: there is no loss {unknown[0]!r}; the five are {', '.join(NAMES)}")
    return {name: float(weight) for name, weight in weights.items()}


def optimizer_for(model, optimizer, replicas: int):
    """The optimizer that a model trains with; under mixed_float16 it scales the loss.

    Args:
        model: the MaskRCNN.
        optimizer: whatever `keras.optimizers.get` takes.
        replicas: of the strategy that the model was made under.

    Raises:
        ValueError: it accumulates gradients on several replicas.

    Warns:
        UserWarning: it clips gradients on several replicas.
    """
    optimizer = keras.optimizers.get(optimizer)
    halved = any(layer.dtype_policy.name == "mixed_float16" for layer in leaf_layers(model.network))
    if halved and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    if replicas > 1 and type(optimizer) is keras.optimizers.LossScaleOptimizer:
        optimizer = ReplicaLossScaleOptimizer.from_config(optimizer.get_config())
    inner = innermost(optimizer)
    if replicas > 1 and inner.gradient_accumulation_steps:
        raise ValueError(
            f"gradient_accumulation_steps={inner.gradient_accumulation_steps}: Keras cannot accumulate gradients under "
            f"a strategy of {replicas} replicas; take a larger batch_size, or one device"
        )
    clipped = [name for name in _CLIPPING if getattr(inner, name, None) is not None]
    if replicas > 1 and clipped:
        warnings.warn(
            f"{clipped[0]}: under a strategy Keras clips the gradient of each of the {replicas} replicas before they "
            "are summed, so that the updates are not quite those of one device",
            stacklevel=4,
        )
    return optimizer


def innermost(optimizer):
    """The optimizer that updates: the one within a LossScaleOptimizer."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def batch_counter(optimizer):
    """The variable that counts an optimizer's training batches; `iterations` counts updates where it accumulates."""
    return next(variable for variable in innermost(optimizer).variables if variable.name == "iteration")


def batches_seen(optimizer) -> int:
    """How many training batches an optimizer has had."""
    return int(tf.convert_to_tensor(batch_counter(optimizer).value))  # int() takes no variable of several replicas
