"""From a `Dataset` to training batches, with bounded memory and no hidden randomness.

The order of an epoch is a permutation made from (seed, epoch); each picture's augmentation comes from (seed,
epoch, index). Pictures are read in as many parallel calls as there are cores, whose order is kept, and at most two
finished batches wait: memory is bounded by these and by a picture for each core.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ..dataset import DataError, Dataset, DataWarning, surplus_text
from .augment import Augmentation, Colour, draw, geometry, preset
from .batch import SHAPES, Example, example, padded
from .pixels import resize_pixels

_READY_BATCHES = 2


def batches(
    dataset: Dataset,
    config: Any,
    batch_size: int,
    training: bool = True,
    seed: int = 0,
    augment: str | Augmentation = "none",
    epoch: int | Callable[[], int] = 0,
) -> tf.data.Dataset:
    """Batches of the documented dict (`maskrcnn.data.batching.batch`).

    Args:
        dataset: the pictures.
        config: has `min_size`, `max_size`, `size_divisor`, `max_instances`.
        batch_size: pictures in a batch.
        training: shuffle, and drop the last incomplete batch; else keep the order and every picture.
        seed: of order and augmentation.
        augment: "none", "flip", "dihedral", "standard" or an `Augmentation`.
        epoch: the epoch's number, or a callable that is asked for it whenever iteration begins: so resuming
            at epoch 7 gives what epoch 7 would have been.

    Returns:
        A `tf.data.Dataset` of known cardinality: one pass over the pictures.

    Raises:
        DataError: if training would give no batch at all, or no object.

    Warns:
        DataWarning: once, where pictures for training hold more objects than `config.max_instances`.
    """
    augmentation = preset(augment)
    if training and len(dataset) < batch_size:
        raise DataError(
            f"{dataset.name} has {len(dataset)} pictures, fewer than one batch of {batch_size}; "
            f"take batch_size={len(dataset)} or less."
        )
    said = not training
    if training:
        dataset.check_trainable()
        surplus = dataset.surplus(config.max_instances)
        if surplus is not None:
            said = True
            warnings.warn(surplus, DataWarning, stacklevel=2)

    def order() -> np.ndarray:
        now = int(epoch() if callable(epoch) else epoch)
        indices = epoch_order(len(dataset), seed, now) if training else np.arange(len(dataset))
        return np.stack([np.full_like(indices, now), indices], axis=1)

    def read(now: int, index: int) -> tuple[np.ndarray, ...]:
        nonlocal said
        sample, drawn = dataset[int(index)], draw(augmentation, seed, int(now), int(index))
        if not said and len(sample.labels) > config.max_instances:  # of a source that did not know beforehand
            said = True
            text = surplus_text(dataset.name, f"{sample.name} holds", len(sample.labels), config.max_instances)
            warnings.warn(text, DataWarning, stacklevel=2)
        sample, shrink = geometry(sample, augmentation, drawn)
        return *example(sample, config, shrink), drawn.colour

    colour = Colour() if augmentation.colour else None

    def prepare(at: tf.Tensor) -> dict[str, tf.Tensor]:
        *parts, values = tf.numpy_function(read, [at[0], at[1]], _TYPES, stateful=False)
        for part, shape in zip(parts, _STATIC, strict=True):
            part.set_shape(shape)
        values.set_shape((3,))
        ready = Example(*parts)
        image = resize_pixels(ready.image, ready.size, config, white=255.0) / 255.0
        if colour is not None:
            image = colour(image, values)
        return padded(image, ready, config)

    def one_pass(_: tf.Tensor) -> tf.data.Dataset:
        rows = tf.numpy_function(order, [], tf.int64, stateful=True)
        rows.set_shape((len(dataset), 2))
        return tf.data.Dataset.from_tensor_slices(rows)

    count = len(dataset) // batch_size if training else -(-len(dataset) // batch_size)
    calls = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    data = tf.data.Dataset.range(1).flat_map(one_pass)
    data = data.map(prepare, num_parallel_calls=calls, deterministic=True)
    data = data.padded_batch(batch_size, padded_shapes=SHAPES, drop_remainder=training)
    return data.apply(tf.data.experimental.assert_cardinality(count)).prefetch(_READY_BATCHES)


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The permutation of `count` indices for an epoch; (count,) int64."""
    # The trailing word keeps this stream apart from the pictures' own (seed, epoch, index).
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch, 0, 1])))
    return rng.permutation(count)


_TYPES = [tf.uint8, tf.int32, tf.float32, tf.int32, tf.uint8, tf.int32, tf.bool, tf.float32]
_STATIC = [(None, None, 3), (2,), (None, 4), (None,), (None,), (None, 4), (None,)]
