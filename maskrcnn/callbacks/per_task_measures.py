"""Each task's measures on held-out pictures while a model trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from maskrcnn.evaluation import columns, evaluate
from maskrcnn.training.compile_options import batches_seen


class Evaluate(keras.callbacks.Callback):
    """Measures the model now and then, and puts every measure into the logs of the epoch.

    ```python
    model.fit(train, epochs=50, callbacks=[
        maskrcnn.callbacks.Evaluate(held_out, every=5),
        keras.callbacks.ModelCheckpoint("best.keras", monitor="val_bbox_ap", mode="max", save_best_only=True),
        keras.callbacks.EarlyStopping(monitor="val_mask_ap", mode="max", patience=10),
    ])
    ```

    What chooses by a measure comes after it in the list. The names are the columns of `maskrcnn.evaluation.MEASURES`
    behind the prefix: "val_bbox_ap", "val_mask_ap50", "val_proposal_ar100", "val_class_accuracy", ... An epoch that is
    not measured repeats the last values: whoever monitors them sees no improvement, and Keras does not warn that there
    is nothing to monitor. A `patience` counts those epochs too.

    Args:
        dataset: a maskrcnn.data Dataset with the model's classes; or a function of the model that gives {task:
            {measure: value}}.
        every: epochs, or updates, from one measurement to the next.
        unit: "epoch": the first epoch of a `fit`, every N-th and the last one are measured; "update": after every N
            training batches, and the logs of an epoch hold the last measures, if there are any yet.
        batch_size, limit, tide, probe_seed: of a Dataset, see `maskrcnn.evaluate`.
        prefix: of the names in the logs; None: nothing is put there.
        report: called with the number of training batches seen and {task: {measure: value}}, after each measurement.

    Raises:
        ValueError: `every` below 1, another unit; from `fit`, a Dataset with other classes.
    """

    def __init__(
        self,
        dataset,
        every: int = 1,
        unit: str = "epoch",
        batch_size: int = 8,
        limit: int | None = None,
        tide: bool = False,
        probe_seed: int = 0,
        prefix: str | None = "val_",
        report: Callable[[int, Mapping[str, Mapping[str, float]]], Any] | None = None,
    ) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every={every}: at least 1 is needed")
        if unit not in ("epoch", "update"):
            raise ValueError(f"unit={unit!r}: expected 'epoch' or 'update'")
        self._every, self._unit, self._prefix, self._report = every, unit, prefix, report
        self._measure = dataset if callable(dataset) else lambda model: evaluate(
            model, dataset, batch_size=batch_size, limit=limit, tide=tide, probe_seed=probe_seed
        )  # fmt: skip
        self._latest: dict[str, float] | None = None

    def on_train_begin(self, logs=None):
        self._latest, self._seen = None, self._batches()

    def on_train_batch_end(self, batch, logs=None):
        if self._unit == "update":
            # With steps_per_execution several batches end at once.
            before, self._seen = self._seen, self._batches()
            if before // self._every < self._seen // self._every:
                self._look()

    def on_epoch_end(self, epoch, logs=None):
        number, last = epoch + 1, self.params.get("epochs")
        if self._unit == "epoch" and (number % self._every == 0 or self._latest is None or number == last):
            self._look()
        if logs is not None:
            logs.update(self._latest or {})

    def _batches(self) -> int:
        return batches_seen(self.model.optimizer)

    def _look(self):
        measured = self._measure(self.model)
        named = {} if self._prefix is None else columns(measured)
        self._latest = {f"{self._prefix}{column}": value for column, value in named.items()}
        if self._report is not None:
            self._report(self._batches(), measured)
