"""What `fit` and `evaluate` make of their arguments before Keras sees them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from maskrcnn.callbacks.data_waiting import DataWaiting
from maskrcnn.callbacks.last_good_weights import KeepLastGood
from maskrcnn.data.batching.pipeline import batches
from maskrcnn.data.class_order import check_class_order
from maskrcnn.data.sample import DataError
from maskrcnn.training.compile_options import batches_seen

_RAISED = re.compile(r"\bDataError: (.+?)\s*\n\s*Traceback ", re.DOTALL)


def is_dataset(x) -> bool:
    """Whether `x` is a maskrcnn.data Dataset, or behaves as one."""
    return hasattr(x, "class_names") and hasattr(x, "__getitem__")


def training_batches(model, x, batch_size: int, augment) -> Any:
    """A Dataset's training batches, in the order of the epoch that the model has come to; anything else as it is.

    Raises:
        ValueError: other classes than the model's, or fewer pictures in a batch than devices.
    """
    if not is_dataset(x):
        return x
    check_class_order(model.config.class_names, x)
    replicas = model.distribute_strategy.num_replicas_in_sync
    if batch_size < replicas:
        raise ValueError(
            f"batch_size={batch_size} is the whole batch, and {replicas} replicas share it: give at least {replicas}"
        )
    steps = max(1, len(x) // batch_size)
    return batches(
        x, model.config, batch_size, seed=model.config.seed, augment=augment,
        epoch=lambda: batches_seen(model.optimizer) // steps,
    )  # fmt: skip


def held_out_batches(model, x, batch_size: int) -> Any:
    """A Dataset's pictures in their order, for losses on them; anything else as it is.

    Raises:
        ValueError: other classes than the model's.
    """
    if not is_dataset(x):
        return x
    check_class_order(model.config.class_names, x)
    return batches(x, model.config, batch_size, training=False)


def check_class_weight(class_weight: Mapping[int, float] | None, class_names: Sequence[str]) -> tuple | None:
    """Weights of background and classes, by label; those that are not given are 1.

    Raises:
        ValueError: a key that is no label.
    """
    if class_weight is None:
        return None
    labels = range(len(class_names) + 1)
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        named = ", ".join(f"{label} {name!r}" for label, name in zip(labels, ("background", *class_names), strict=True))
        raise ValueError(f"class_weight: there is no label {unknown[0]!r}; the labels are {named}")
    return tuple(float(class_weight.get(label, 1.0)) for label in labels)


def refuse_sample_weight(sample_weight) -> None:
    """Raises a ValueError if there are any."""
    if sample_weight is not None:
        raise ValueError(
            "sample_weight is not honoured: the losses are means over sampled anchors and regions of the whole batch, "
            "not over pictures; weigh classes by fit(class_weight=...), losses by compile(loss_weights=...)"
        )


def watched(batches, callbacks):
    """The batches, as `callbacks.DataWaiting` sees them go by where it is among the callbacks."""
    for callback in getattr(callbacks, "callbacks", callbacks):
        if isinstance(callback, DataWaiting):
            batches = callback.watch(batches)
    return batches


def with_guard(callbacks):
    """The callbacks, and one that keeps the last good weights unless one of them watches the loss already."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    callbacks = keras.tree.flatten(callbacks) if callbacks else []
    if any(isinstance(callback, KeepLastGood | keras.callbacks.TerminateOnNaN) for callback in callbacks):
        return callbacks
    # The first: whatever saves a model does not meet one that diverged.
    return [KeepLastGood(), *callbacks]


def build_optimizer(model, variables) -> None:
    """Make the optimizer's variables for all that may train, not only for what trains in the first call of `fit`."""
    optimizer = model.optimizer
    if not optimizer.built:
        with model.distribute_strategy.scope(), keras.name_scope(optimizer.name, caller=optimizer):
            optimizer.build(variables)
        optimizer.built = True


@contextlib.contextmanager
def reader_errors(model) -> Iterator[None]:
    """Raises the DataError of a picture that could not be read, which TensorFlow wraps into an error of many lines.

    The model keeps the weights of the updates before it.
    """
    try:
        yield
    except tf.errors.OpError as error:
        found = _RAISED.search(error.message)
        if found is None:
            raise
        text = found[1].rstrip(".")
        if getattr(model, "optimizer", None) is not None:
            text += f"; the model has the weights of update {batches_seen(model.optimizer)}, the last before it"
        raise DataError(f"{text}.") from None
