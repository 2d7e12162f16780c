"""Training by tensorflow-model-optimization on a model's tf_keras twin, and the LiteRT file that comes of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

import pruning
from experiments.errors import UserError
from experiments.runs.seed_model import SeedModel
from experiments.runs.training.optimizers import finetuning_rates
from experiments.settings.recipe import TrainingSettings
from pruning.compression.integer_placement import answers
from pruning.compression.network_config import NetworkConfig
from pruning.compression.rewriting import network_config
from pruning.tasks.model_outputs import output_names


def trained(
    stage: str, model: keras.Model, seed_model: SeedModel, data_seed: int
) -> tuple[bytes, dict[str, str] | list[str]]:
    """Train a twin of a model as a stage wants, with the recipe's fine-tuning.

    Args:
        stage: "tfmot_cluster16" or "tfmot_qat".
        model: Functional, with a loss by name for each output.
        seed_model: its problem has these losses, and gives the batches.
        data_seed: of their order.

    Returns:
        a LiteRT file; key of each output -> its name in there, or the names in order.

    Raises:
        UserError: tf_keras or tensorflow-model-optimization refuse a layer; it is named.
    """
    tfmot, problem = pruning.tensorflow_model_optimization(), seed_model.problem
    try:
        twin = pruning.to_tf_keras(model)
        if stage == "tfmot_qat":
            wrapped = _quantization_aware(tfmot.quantization.keras, twin, answers_of(model))
        else:
            kmeans = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
            wrapped = tfmot.clustering.keras.cluster_weights(
                twin, number_of_clusters=int(stage.removeprefix("tfmot_cluster")), cluster_centroids_init=kmeans
            )
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{stage}: {str(error).splitlines()[0]}") from error
    assert problem.output_losses is not None, "check_compressions has looked"
    settings = problem.recipe.training
    losses, weights = problem.output_losses
    _fit(
        wrapped, output_names(model), losses, weights, problem.batches("train", data_seed, 0), settings,
        finetuning_rates(problem.recipe.finetune, settings, "finetune"), problem.recipe.finetune.steps,
        lambda step: seed_model.work.say(f"{stage}: update {step} of {problem.recipe.finetune.steps}"),
    )  # fmt: skip
    if stage != "tfmot_qat":
        wrapped = tfmot.clustering.keras.strip_clustering(wrapped)
    converter = tf.lite.TFLiteConverter.from_keras_model(wrapped)
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if stage == "tfmot_qat" else []
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that statistics were expected: the graph has them
        content: bytes = converter.convert()
    names = list(wrapped.output_names)
    return content, dict(zip(sorted(wrapped.output), names, strict=True)) if isinstance(wrapped.output, dict) else names


def _quantization_aware(quantization: Any, twin: Any, float_layers: set[str]) -> Any:
    """A twin ready for quantization-aware training, but for the layers whose results are the model's answers.

    tfmot's ranges of results begin at -6 to 6 and move by a thousandth a step: angles and box deltas would be cut off.
    """
    import tf_keras

    def marked(layer: Any) -> Any:
        return layer if layer.name in float_layers else quantization.quantize_annotate_layer(layer)

    with quantization.quantize_scope():
        return quantization.quantize_apply(tf_keras.models.clone_model(twin, clone_function=marked))


def answers_of(model: keras.Model) -> set[str]:
    """Names of the layers whose results are a model's answers."""
    return {path.rpartition("/")[2] for path in answers(NetworkConfig(network_config(model)))}


def _fit(
    model: Any,
    names: list[str],
    losses: Mapping[str, str],
    weights: Mapping[str, float],
    batches: Any,
    settings: TrainingSettings,
    rate: Callable[[int], float],
    steps: int,
    report: Callable[[int], None],
) -> None:
    """Minimise the weighted sum of the losses of a tf_keras model's outputs, by the recipe's optimizer."""
    import tf_keras

    common = {"weight_decay": settings.weight_decay or None, "global_clipnorm": settings.clip_norm}
    if settings.optimizer == "adamw":
        optimizer = tf_keras.optimizers.AdamW(settings.learning_rate, **common)
    else:
        optimizer = tf_keras.optimizers.SGD(settings.learning_rate, momentum=settings.momentum, **common)
    variables = model.trainable_variables
    optimizer.build(variables)
    functions = {name: tf_keras.losses.get(loss) for name, loss in losses.items()}

    @tf.function(reduce_retracing=True)
    def update(inputs: Any, targets: Any) -> None:
        with tf.GradientTape() as tape:
            answers = model(inputs, training=True)
            if not isinstance(answers, Mapping):
                answers = dict(zip(names, tf.nest.flatten(answers), strict=True))
            total = tf.add_n([
                weights.get(name, 1.0) * tf.reduce_mean(function(_beside(targets[name], answers[name]), answers[name]))
                for name, function in functions.items()
            ])
        gradients = tape.gradient(total, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    for step, (inputs, targets, *_) in zip(range(steps), batches, strict=False):
        optimizer.learning_rate = rate(step)
        if not isinstance(targets, Mapping):
            targets = dict(zip(names, tf.nest.flatten(targets), strict=True))
        update(*tf.nest.map_structure(tf.convert_to_tensor, (inputs, dict(targets))))
        report(step + 1)


def _beside(targets: Any, answers: Any) -> Any:
    """Targets (N,) beside answers (N, 1) would be spread over one another to (N, N)."""
    alike = len(targets.shape) == len(answers.shape) - 1 and answers.shape[-1] == 1
    return targets[..., None] if alike else targets
