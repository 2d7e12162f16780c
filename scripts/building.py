"""From settings to the things they describe: data, configuration, model, optimizer, learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

import maskrcnn
import pruning
from command import UserError, find_data, find_weights
from settings import (
    DataSettings,
    FinetuneSettings,
    Recipe,
    RetrainingName,
    TrainingSettings,
)


def prepare(recipe: Recipe) -> None:
    """Set the number of threads, and have the same threads give the same numbers; before any computation."""
    # Grappler turns the sum of a gradient's parts into one in order of their arrival, which costs the last digits.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # workers share it
    if recipe.threads and tf.config.threading.get_intra_op_parallelism_threads() != recipe.threads:
        tf.config.threading.set_intra_op_parallelism_threads(recipe.threads)
        tf.config.threading.set_inter_op_parallelism_threads(recipe.threads)


def dataset(data: DataSettings, split: str, class_names: tuple[str, ...] | None = None) -> maskrcnn.data.Dataset:
    """The pictures to train on ("train") or the held-out ones ("test").

    Args:
        data: the settings.
        split: "train" or "test".
        class_names: those of a model that the pictures are for; the data's own if None.

    Raises:
        UserError: a needed setting is missing, or a folder or file is.
        DataError: the annotations are faulty.
    """
    if data.kind == "shapes":
        count, seed = getattr(data, f"{split}_count"), getattr(data, f"{split}_seed")
        return maskrcnn.data.shapes(count, data.size, seed, level=data.level)
    path = getattr(data, split)
    if path is None:
        raise UserError(f"data.{split} is not set: kind {data.kind!r} needs the path of its annotations")
    found = find_data(path)
    if data.kind == "coco":
        images = getattr(data, f"{split}_images")
        folder = find_data(images) if images else found.parent
        return maskrcnn.data.load_coco(found, folder, strict=data.strict, class_names=class_names)
    if data.kind == "labelme":
        return maskrcnn.data.load_labelme(found, strict=data.strict, class_names=class_names)
    return maskrcnn.data.load_via(found, data.strict, data.class_attribute, data.class_name, class_names=class_names)


def config(recipe: Recipe, class_names: tuple[str, ...], seed: int = 0) -> maskrcnn.MaskRCNNConfig:
    """The network's configuration; `seed` is that of its samplers.

    Raises:
        UserError: a field that cannot be, or a file of weights that is not there.
    """
    fields = recipe.model.model_dump()
    weights = fields["backbone_weights"]
    if weights not in (None, "imagenet"):
        fields["backbone_weights"] = str(find_weights(weights))
    fields["seed"] = seed
    try:
        return maskrcnn.MaskRCNNConfig(class_names=tuple(class_names), **fields)
    except ValueError as error:
        raise UserError(f"model: {error}") from None


def model(recipe: Recipe, class_names: tuple[str, ...], seed: int = 0) -> maskrcnn.MaskRCNN:
    """A new model, compiled with an optimizer that can hold masks; `seed` is that of its weights and samplers.

    Raises:
        UserError: as `config`; or the weights do not fit the backbone.
    """
    settings = config(recipe, class_names, seed)
    keras.utils.set_random_seed(seed)
    try:
        made = maskrcnn.MaskRCNN(settings, name="mask_rcnn")  # also where it is not the process's first
    except (ValueError, OSError) as error:
        if settings.backbone_weights is None:
            raise
        raise UserError(
            f"the weights {settings.backbone_weights} do not fit backbone {settings.backbone!r} with "
            f"backbone_alpha {settings.backbone_alpha}: {error}"
        ) from None
    return compiled(made, recipe.training)


def compiled(made: maskrcnn.MaskRCNN, training: TrainingSettings) -> maskrcnn.MaskRCNN:
    """The same model, compiled for training."""
    made.compile(optimizer(training))
    made.optimizer.build(made.trainable_variables)
    return made


def saved_model(path: str | Path) -> maskrcnn.MaskRCNN:
    """A model that was saved before.

    Raises:
        UserError: there is no such file, or it holds no Mask R-CNN.
    """
    if not Path(path).exists():
        raise UserError(f"{path}: no such model; train.py and sweep.py write results/<name>/runs/<run>/model.keras")
    try:
        found = maskrcnn.load(path)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read as a model: {str(error).splitlines()[0]}") from None
    if not isinstance(found, maskrcnn.MaskRCNN):
        raise UserError(f"{path} holds a {type(found).__name__}; expected a maskrcnn.MaskRCNN")
    return found


def renew(model: maskrcnn.MaskRCNN, seed: int) -> None:
    """Give a model the weights that its layers begin with, drawn from a seed."""
    keras.utils.set_random_seed(seed)
    network = model.network
    network.set_weights(type(network).from_config(network.get_config()).get_weights())


def read_weights(model: maskrcnn.MaskRCNN, path: Path) -> None:
    """Give a model the weights of a saved one of the same structure.

    Raises:
        UserError: the file cannot be read, or holds another model.
    """
    try:
        maskrcnn.MaskRCNN(model.config, network=model.network).load_weights(path)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read as this recipe's model: {str(error).splitlines()[0]}") from None


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


def finetuning_rates(
    settings: FinetuneSettings, training: TrainingSettings, retraining: RetrainingName
) -> Callable[[int], float]:
    """Learning rates of fine-tuning; "rewind": the last ones of the training (Renda et al., ICLR 2020)."""
    if retraining == "rewind":
        rate, first = training_rates(training), training.steps - settings.steps
        return lambda step: rate(first + step)
    return rates(settings.learning_rate, settings.steps, settings.warmup_steps)
