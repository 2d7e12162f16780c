"""Distillation in a run: fine-tuning that also learns to answer as the dense network does."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras

import pruning
from experiments.runs.grid import RunSettings
from experiments.runs.run_folder import RunFolder
from experiments.runs.seed_model import SeedModel

# Kept with the seed's model, because each compiles a training step of its own once.
_KEPT: weakref.WeakKeyDictionary[SeedModel, pruning.Distillation] = weakref.WeakKeyDictionary()


@contextmanager
def learning_from_dense(
    seed_model: SeedModel, run: RunSettings, dense: RunFolder
) -> Iterator[Sequence[keras.callbacks.Callback]]:
    """In this context a run that distils trains with the terms; other runs train as they are.

    Args:
        seed_model: whose model trains.
        run: its settings; all runs of a sweep that distil have the same ones for it.
        dense: folder of the dense run.

    Yields:
        callbacks for the training.
    """
    if run.retraining != "distill":
        yield ()
        return
    if seed_model not in _KEPT:
        teacher = seed_model.problem.load(dense.model)
        _KEPT[seed_model] = seed_model.problem.distillation(seed_model.model, teacher, run.finetune)
    found = _KEPT[seed_model]
    with found.added_to(seed_model.model):
        yield [pruning.DistillationLog(found)]
