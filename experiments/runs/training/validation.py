"""Measures on held-out samples while a model trains; the training itself is not changed by it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import keras

from experiments.problem import Measured, Problem
from experiments.runs.measuring import flat
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.run_folder import RunFolder, write_text
from experiments.runs.training.loop import steps_done


class EveryUpdates(keras.callbacks.Callback):
    """Measures a model after every so many updates, for problems without a callback of their own for that.

    Args:
        measure: model -> {task: {measure: value}}.
        every: updates from one look to the next.
        report: called with the update and what was measured.
    """

    def __init__(
        self, measure: Callable[[keras.Model], Measured], every: int, report: Callable[[int, Measured], None]
    ) -> None:
        super().__init__()
        self._measure, self._every, self._report = measure, every, report

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = steps_done(self.model)
        if step % self._every == 0:
            self._report(step, self._measure(self.model))


def held_out_measures(
    problem: Problem, split: str, every: int, folder: RunFolder, work: Meter, watch: Stopwatch
) -> keras.callbacks.Callback:
    """A callback that measures every task now and then, shows the primary measures and writes all to measures.csv.

    Args:
        problem: that the model solves.
        split: to measure on.
        every: updates from one look to the next.
        folder: of the run.
        work: where the figures are shown.
        watch: counts the time as evaluation.
    """
    path = folder.path / "measures.csv"

    def measure(model: keras.Model) -> Measured:
        with watch("evaluate"):
            return problem.evaluate(model, split)

    def report(step: int, measured: Measured) -> None:
        found = flat(problem, measured, "evaluate")
        rows: list[dict[str, Any]] = []
        if path.exists():
            with open(path, encoding="utf-8", newline="") as file:
                # Rows from this step on belong to a training that was broken off.
                rows = [row for row in csv.DictReader(file) if int(row["step"]) < step]
        rows.append({"step": step, "split": split, **found})
        text = io.StringIO()
        table = csv.DictWriter(text, list(rows[-1]), lineterminator="\n", extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
        write_text(path, text.getvalue())
        heads = problem.declaration().heads
        shown = ", ".join(f"{title} {found[column]:.3f}" for column, title in heads.items() if column in found)
        work.note(f"update {step}, on {split}: {shown}")
        work.say(f"{folder.name}: training")

    return problem.measuring_callback(measure, every, report)
