"""To and from tensorflow-model-optimization's schedules; imported here only, and only when asked for."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from schedules.levels import OneShot
from schedules.schedule import Schedule, from_config

_FLAG = "TF_USE_LEGACY_KERAS"


@contextmanager
def flag_restored() -> Iterator[None]:
    """Leaves the environment as it was, whatever tensorflow-model-optimization sets in it when it is imported."""
    before = os.environ.get(_FLAG)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_FLAG, None)
        else:
            os.environ[_FLAG] = before


def _tfmot() -> Any:
    """The package `tensorflow_model_optimization.sparsity.keras`, with the environment as it was before.

    Its import sets TF_USE_LEGACY_KERAS=1 for the process and its children, and turns `tf.keras` into tf_keras if
    nothing has used it yet: `tf.keras` is therefore resolved first, and the variable restored afterwards.
    """
    with flag_restored():
        try:
            import tensorflow as tf

            _ = tf.keras.Model
            from tensorflow_model_optimization.python.core.sparsity.keras import pruning_schedule
        except ImportError as error:
            raise ImportError(
                "schedules.to_tfmot needs tensorflow-model-optimization: "
                "pip install tensorflow-model-optimization"
            ) from error
    return pruning_schedule


def to_tfmot(schedule: Schedule) -> Any:
    """The tensorflow-model-optimization schedule with the same values.

    Args:
        schedule: a PolynomialDecay, ConstantSparsity or OneShot.

    Returns:
        its PolynomialDecay or ConstantSparsity (a OneShot becomes a ConstantSparsity of a single step).

    Raises:
        ValueError: it has no such schedule.
        ImportError: it is not installed.
    """
    kind = type(schedule).__name__
    if kind not in ("PolynomialDecay", "ConstantSparsity", "OneShot"):
        raise ValueError(
            f"to_tfmot: tensorflow-model-optimization has no {kind}; "
            "it has PolynomialDecay and ConstantSparsity"
        )
    theirs = _tfmot()
    if isinstance(schedule, OneShot):
        step = schedule.begin_step
        return theirs.ConstantSparsity(schedule.target_sparsity, begin_step=step, end_step=step, frequency=1)
    config = schedule.get_config()["config"]
    length = config["end_step"] - config["begin_step"]
    if config["end_step"] != -1 and length % config["frequency"]:
        warnings.warn(
            f"to_tfmot: {length} steps are no multiple of frequency {config['frequency']}; "
            "tensorflow-model-optimization will not prune at the end step, schedules does",
            stacklevel=2,
        )
    return getattr(theirs, kind)(**config)


def from_tfmot(schedule: Any) -> Schedule:
    """Our schedule from one of tensorflow-model-optimization's (it need not be imported for that).

    Raises:
        ValueError: a kind that is neither PolynomialDecay nor ConstantSparsity.
    """
    config = schedule.get_config()
    if config["class_name"] not in ("PolynomialDecay", "ConstantSparsity"):
        raise ValueError(
            f"from_tfmot: {config['class_name']} is not known; expected a PolynomialDecay or ConstantSparsity"
        )
    return from_config(config)
