"""`history.csv` of a run: a line an epoch of its training, and the checkpoint beside it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from typing import Any

import keras

from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.run_folder import RunFolder, write_text
from experiments.runs.training.loop import steps_done
from experiments.runs.training.state import State

EPOCHS = 20  # lines of a training, at least


def epoch_steps(steps: int, checkpoint_every: int) -> int:
    """Updates from one line of the history to the next."""
    return min(checkpoint_every, max(1, math.ceil(steps / EPOCHS)))


class History(keras.callbacks.Callback):
    """Writes a line at the end of every epoch, and a checkpoint whenever enough updates have been made.

    Args:
        folder: of the run.
        stage: that the training leads to.
        checkpoint_every: updates between checkpoints.
        until: the last update, which needs no checkpoint: what comes after it does that.
        sparsity: step -> what the schedule asks for there.
        watch: counts the time spent here as overhead.
        log: called with the row that was written.
    """

    def __init__(
        self,
        folder: RunFolder,
        stage: str,
        checkpoint_every: int,
        until: int,
        sparsity: Callable[[int], float],
        watch: Stopwatch,
        log: Callable[[dict[str, Any]], None] = lambda row: None,
    ) -> None:
        super().__init__()
        self._folder, self._stage, self._watch = folder, stage, watch
        self._every, self._until, self._sparsity = checkpoint_every, until, sparsity
        self._log = log

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._saved = steps_done(self.model)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        with self._watch("overhead"):
            step = steps_done(self.model)
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            losses = {name: float(value) for name, value in (logs or {}).items() if not name.startswith("sparsity")}
            row = {"step": step, "learning_rate": rate, "stage": self._stage, "sparsity": self._sparsity(step)} | losses
            add_row(self._folder, row)
            self._log(row)
            if step < self._until and step - self._saved >= self._every:
                state = State(self.model)
                state.check_finite()  # the checkpoint from before is a good one
                state.save(self._folder.checkpoint)
                self._saved = step


def add_row(folder: RunFolder, row: dict[str, Any]) -> None:
    """Write a row behind those of earlier steps; rows from this step on belong to a training that was broken off."""
    before = [old for old in rows(folder) if int(old["step"]) < row["step"]]
    text = io.StringIO()
    names = list(dict.fromkeys(name for one in (*before, row) for name in one))
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows([*before, row])
    write_text(folder.path / "history.csv", text.getvalue())


def rows(folder: RunFolder) -> list[dict[str, str]]:
    """The rows written so far."""
    path = folder.path / "history.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
