"""Tracks every task inside `model.fit`, while the model is pruned."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.mask_state import silent
from pruning.tasks.task_measures import TaskMeasures, worst_of
from pruning.tasks.tracking.live_view import LiveView
from pruning.tasks.tracking.task_history import TOTAL, TaskRecord, first_measures, read_history, write_history


class TaskTracker(keras.callbacks.Callback):
    """Records at every cut and epoch what is gone, what each task is worth, and which is worst beside dense.

    ```python
    tasks = pruning.TaskMeasures(evaluate, model.task_losses, batches)
    pruner = pruning.PruningCallback(pruning.Taylor(model.task_losses, batches), schedule)
    model.fit(data, verbose=0, callbacks=[pruner, pruning.TaskTracker(tasks, pruner, "history.csv")])
    ```

    It stands behind the pruner in the list of callbacks, and before what monitors its figures: the logs of an epoch get
    `tracked_<task>_<measure>` of every measure, `tracked_<task>_quality`, and `tracked_worst_quality`, as of its end
    or, where it was not measured, of the latest record.

    Args:
        tasks: how they are measured.
        pruner: the PruningCallback beside it; None: nothing is pruned in this training, which may be fine-tuning.
        path: CSV file that the history is written to after every record; where it has records of earlier updates, as
            after an interruption, they stay and the first of them is the dense model.
        dense: {task: {measure: value}} of the dense model; what `tasks` measures when training begins if None.
        cuts: record every so many cuts, from the first on; 0: none.
        epochs: record every so many epochs, and the last one.
        graph: of the model; made anew, as the pruner's, if None.
        weigher: a PhasedLosses or AdaptiveLosses whose factors are recorded too.
        show: a table on a terminal, a line a record elsewhere; give `fit` verbose=0, so that Keras's bar is not in it.
        console: a rich Console to show it on.

    Attributes:
        records: list of TaskRecord; rows: the same as rows of the table, those of an earlier start included.

    Raises:
        ValueError: from `fit`: the model is pruned when training begins and there is no dense reference.
    """

    def __init__(
        self,
        tasks: TaskMeasures,
        pruner: Any = None,
        path: str | Path | None = None,
        *,
        dense: Mapping[str, Mapping[str, float]] | None = None,
        cuts: int = 1,
        epochs: int = 1,
        graph: ChannelGraph | None = None,
        weigher: Any = None,
        show: bool = True,
        console: Any = None,
    ) -> None:
        super().__init__()
        if cuts < 0 or epochs < 1:
            raise ValueError(f"cuts is {cuts} and epochs {epochs}; expected 0 or more cuts and 1 or more epochs")
        self.tasks, self.pruner, self.weigher = tasks, pruner, weigher
        self.path = None if path is None else Path(path)
        self.records: list[TaskRecord] = []
        self.rows: list[dict] = []
        self._dense_given, self._cuts, self._epochs = dense, cuts, epochs
        self._graph_given = graph
        self._view = LiveView(console, show)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Measure the model as it is: the dense one, unless another reference is given."""
        include, exclude = (getattr(self.pruner, name, None) for name in ("include", "exclude"))
        self._graph = self._graph_given or ChannelGraph(self.model, include=include, exclude=exclude)
        self._plan, self._count, self._epoch = getattr(self.pruner, "plan", None), 0, 0
        now = self._step()
        # Later rows, and a cut at this very step, belong to a training that was broken off.
        earlier = [row for row in self._earlier() if row["step"] <= now]
        self.rows = [row for row in earlier if row["step"] < now or row["event"] != "pruned"]
        gone = self._gone()
        self._dense = self._dense_given or first_measures(self.rows)
        measured = self.tasks(self.model)
        if not self._dense:
            if gone[TOTAL] > 0:
                raise ValueError(
                    f"{gone[TOTAL]:.1%} of the filters of {self.model.name!r} are silent before training begins, and "
                    "nothing tells what they were worth: give TaskTracker dense=tasks(model), measured before pruning"
                )
            self._dense = measured
        first = self._record("begin", measured, gone)
        self.records = [first]
        if not self.rows:
            self._keep(first)
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        # The table has the dense model's figures in its column, whatever this training begins with.
        self._view.begin(first, self._dense, steps * epochs if steps and epochs else None)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Record a cut that the pruner has just made."""
        self._look_for_a_cut()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._view.step(self._step())

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Record the epoch, and put the latest figures into its logs."""
        if (epoch + 1) % self._epochs == 0 or epoch + 1 == self.params.get("epochs"):
            self._add("epoch")
        if logs is not None:
            latest = self.records[-1]
            for task, found in latest.measured.items():
                logs |= {f"tracked_{task}_{name}": value for name, value in found.items()}
            logs |= {f"tracked_{task}_quality": value for task, value in latest.quality.items()}
            if latest.worst:
                logs["tracked_worst_quality"] = latest.quality[latest.worst]

    def on_train_end(self, logs: dict | None = None) -> None:
        """Record a cut that was due when training ended."""
        self._look_for_a_cut()
        self._view.end()

    def picture(self, path: str | Path, number: int = -1) -> None:
        """Save the table of one of `records` as an SVG picture, as a terminal shows it."""
        self._view.picture(path, self.records[number])

    def _look_for_a_cut(self) -> None:
        plan = getattr(self.pruner, "plan", None)
        if plan is self._plan:
            return
        gone = [{} if one is None else {n: c for n, c in one.removed.items() if c} for one in (self._plan, plan)]
        self._plan = plan
        if gone[0] == gone[1]:  # a turn of the schedule that took nothing
            return
        if self._cuts and self._count % self._cuts == 0:
            self._add("pruned")
        self._count += 1

    def _add(self, event: str) -> None:
        record = self._record(event, self.tasks(self.model), self._gone())
        self.records.append(record)
        self._keep(record)
        self._view.show(record)

    def _record(self, event: str, measured: Mapping, gone: Mapping[str, float]) -> TaskRecord:
        quality = self.tasks.qualities(measured, self._dense)
        primary = {task: self.tasks.primary_of(task, self._dense) for task in self._dense}
        asked = getattr(self._plan, "asked", math.nan)
        asked = float(asked) if isinstance(asked, int | float) else math.nan  # a plan may have one a layer
        # At rest no task is worst: the dense model is what the others are measured by.
        worst = worst_of(quality) if measured is not self._dense else None
        factors = dict(getattr(self.weigher, "factors", None) or {})
        return TaskRecord(self._step(), self._epoch, event, gone, asked, measured, quality, primary, worst, factors)

    def _keep(self, record: TaskRecord) -> None:
        self.rows += record.rows()
        if self.path is not None:
            write_history(self.path, self.rows)

    def _earlier(self) -> list[dict]:
        if self.path is None or not self.path.exists() or self._step() == 0:
            return []
        return read_history(self.path)

    def _gone(self) -> dict[str, float]:
        """Part -> share of its prunable filters that is silent, and that of the whole model.

        A model without nested models is one part: its groups stand for parts then.
        """
        found, free = silent(self._graph), self._graph.prunable
        nested = len({group.part for group in free}) > 1
        every: dict[str, int] = {}
        cut: dict[str, int] = {}
        for group in free:
            for part in (group.part if nested else group.name, TOTAL):
                every[part] = every.get(part, 0) + int(group.filters.sum())
                cut[part] = cut.get(part, 0) + int(group.filters[found[group.name]].sum())
        return {part: cut[part] / every[part] for part in (*(part for part in every if part != TOTAL), TOTAL)}

    def _step(self) -> int:
        return int(self.model.optimizer.iterations)
