"""Measures on held-out samples while a model trains; the training itself is not changed by it."""

from __future__ import annotations

import csv
import io
from typing import Any

import keras

from experiments.problem import Problem
from experiments.runs.measuring import flat
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.run_folder import RunFolder, write_text
from experiments.runs.training.loop import steps_done


class Validation(keras.callbacks.Callback):
    """Measures every task now and then; shows the primary measures and writes all of them to measures.csv.

    Args:
        problem: that the model solves.
        split: to measure on.
        every: updates from one look to the next.
        folder: of the run.
        work: where the figures are shown.
        watch: counts the time as evaluation.
    """

    def __init__(
        self, problem: Problem, split: str, every: int, folder: RunFolder, work: Meter, watch: Stopwatch
    ) -> None:
        super().__init__()
        self._problem, self._split, self._every = problem, split, every
        self._path, self._work, self._watch = folder.path / "measures.csv", work, watch
        self._rows: list[dict[str, Any]] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        now = steps_done(self.model)
        if self._path.exists():
            with open(self._path, encoding="utf-8", newline="") as file:
                self._rows = [row for row in csv.DictReader(file) if int(row["step"]) <= now]

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = steps_done(self.model)
        if step % self._every or (self._rows and int(self._rows[-1]["step"]) >= step):
            return
        with self._watch("evaluate"):
            found = flat(self._problem, self._problem.evaluate(self.model, self._split), "evaluate")
        self._rows.append({"step": step, "split": self._split, **found})
        text = io.StringIO()
        table = csv.DictWriter(text, list(self._rows[-1]), lineterminator="\n", extrasaction="ignore")
        table.writeheader()
        table.writerows(self._rows)
        write_text(self._path, text.getvalue())
        heads = self._problem.declaration().heads
        shown = ", ".join(f"{title} {found[column]:.3f}" for column, title in heads.items() if column in found)
        self._work.note(f"update {step}, on {self._split}: {shown}")
        self._work.say(f"{self._path.parent.name}: training")
