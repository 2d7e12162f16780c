"""What each task pays when one group, or one part, is pruned alone: before and after a short fine-tune."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pruning.costs.model_cost import counted, without
from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group
from pruning.masks.masking import hold
from pruning.progress import with_bar
from pruning.scores.criteria import Scores
from pruning.tasks.snapshot import Snapshot, lowest, plan_of, silence
from pruning.tasks.task_measures import Measured, TaskMeasures, same_measures
from pruning.tasks.tidy_tables import read_table, write_table

COLUMNS = ("target", "part", "ratio", "saved", "stage", "task", "measure", "value", "dense", "quality")
_NUMBERS = ("ratio", "saved", "value", "dense", "quality")


@dataclass(frozen=True)
class Sensitivity:
    """Every task's measures with one target pruned alone.

    Attributes:
        rows: of `COLUMNS`: the target (a group or a part), the share of its channels that is gone, the share of the
            model's MACs (or parameters) that this saves, the stage ("pruned" or "finetuned"), a task, its primary
            measure and its loss, and `quality` beside dense (`TaskMeasures.quality`).
        measure: what `saved` is a share of, "macs" or "params".
    """

    rows: tuple[dict, ...]
    measure: str

    def save(self, path: str | Path) -> None:
        """Write the rows as CSV."""
        write_table(path, COLUMNS, self.rows)

    @classmethod
    def load(cls, path: str | Path, measure: str = "macs") -> "Sensitivity":
        """Read what `save` wrote."""
        return cls(tuple(read_table(path, COLUMNS, "table of sensitivities", _NUMBERS)), measure)

    @property
    def tasks(self) -> list[str]:
        """The tasks, in their order."""
        return list(dict.fromkeys(row["task"] for row in self.rows))

    def drops(self, stage: str, by: Literal["measure", "loss"] = "measure") -> dict[str, dict[float, dict[str, float]]]:
        """Target -> ratio -> task -> 1 - quality, of a stage.

        Args:
            stage: "pruned" or "finetuned".
            by: the tasks' primary measures (a task's loss, where it has no other), or their losses.
        """
        found: dict[str, dict[float, dict[str, float]]] = {}
        for row in sorted(self.rows, key=lambda row: row["measure"] != "loss"):  # losses first, then what replaces them
            if row["stage"] == stage and (row["measure"] == "loss" or by == "measure"):
                drop = 1.0 - row.get("quality", np.nan)
                found.setdefault(row["target"], {}).setdefault(row["ratio"], {})[row["task"]] = drop
        return found

    def __str__(self) -> str:
        width = max([len(row["target"]) for row in self.rows], default=6)
        lines = [f"{'target':<{width}}  ratio  {'saved':>6}  {'stage':<10}" + "".join(f"{t:>12}" for t in self.tasks)]
        last: dict[tuple, dict] = {}
        for row in self.rows:
            if row["measure"] != "loss" or row["task"] not in last.get(_key(row), {}):
                last.setdefault(_key(row), {})[row["task"]] = row.get("quality", np.nan)
        lines += [
            f"{target:<{width}}  {ratio:>5.0%}  {saved:>6.1%}  {stage:<10}"
            + "".join(f"{found.get(task, np.nan):>12.1%}" for task in self.tasks)
            for (target, ratio, saved, stage), found in last.items()
        ]
        return "\n".join([*lines, "figures: what each task keeps of the dense model's quality"])


def task_sensitivity(
    graph: ChannelGraph,
    scores: Scores,
    tasks: TaskMeasures,
    ratios: Sequence[float] = (0.25, 0.5, 0.75),
    *,
    by: Literal["group", "part"] = "group",
    finetune: Callable[[Any], Any] | None = None,
    measure: Literal["macs", "params"] = "macs",
    input_shapes: Any = None,
    path: str | Path | None = None,
    progress: bool = True,
) -> Sensitivity:
    """Prune every group (or part) alone at some ratios and measure every task; the model is left as it was.

    Args:
        graph: of the model, dense.
        scores: which channels go first.
        tasks: how they are measured; without `evaluate` only losses are, which is cheaper.
        ratios: shares of a target's channels, in (0, 1).
        by: prune one "group" or one "part" at a time.
        finetune: model -> anything: a short training, such as `lambda model: model.fit(x, y, epochs=1, verbose=0)`;
            then every target is measured after it as well. The model must be compiled with `pruning.masked`.
        measure: what `saved` counts.
        input_shapes: what MACs are counted for, as for `pruning.cost`.
        path: CSV file that the rows are written to after every target; targets that it has are not asked again.
        progress: show a bar if it lasts more than a few seconds.

    Raises:
        ValueError: ratios out of range, scores of another graph, or a file that began with another dense model.
    """
    if not ratios or not all(0.0 < ratio < 1.0 for ratio in ratios):
        raise ValueError(f"ratios are {ratios!r}; expected shares in (0, 1)")
    if scores.fingerprint != graph.fingerprint:
        raise ValueError("the scores were made for another model's graph: score this one, criterion(graph)")
    targets = _targets(graph, by)
    sized = counted(graph.model, input_shapes or graph.example_shapes)
    whole = getattr(without(sized, {}), measure)
    dense = tasks(graph.model)
    rows = _known(path, targets, ratios, 2 if finetune else 1, dense)
    done = {row["target"] for row in rows}
    snapshot = Snapshot(graph.model)
    try:
        todo = [name for name in targets if name not in done]
        for name in with_bar(todo, "each target pruned alone", len(todo), progress):
            for ratio in ratios:
                gone = {
                    group.name: lowest(scores[group.name], round(ratio * group.size)) for group in targets[name]
                }
                saved = 1 - getattr(without(sized, gone), measure) / whole
                head = {"target": name, "part": targets[name][0].part, "ratio": float(ratio), "saved": saved}
                silence(graph, gone)
                rows += _rows({**head, "stage": "pruned"}, tasks, tasks(graph.model), dense)
                if finetune is not None:
                    hold(graph.model, plan_of(graph, gone, ratio), graph)
                    finetune(graph.model)
                    rows += _rows({**head, "stage": "finetuned"}, tasks, tasks(graph.model), dense)
                _back(graph, snapshot)
            if path is not None:
                write_table(path, COLUMNS, rows)
    finally:
        _back(graph, snapshot)
    order = {name: number for number, name in enumerate(targets)}
    return Sensitivity(tuple(sorted(rows, key=lambda row: order[row["target"]])), measure)


def _back(graph: ChannelGraph, snapshot: Snapshot) -> None:
    """Weights, optimizer and masks as they were."""
    silence(graph, {})
    snapshot.restore()


def _targets(graph: ChannelGraph, by: str) -> dict[str, list[Group]]:
    if by not in ("group", "part"):
        raise ValueError(f"by is {by!r}; expected 'group' or 'part'")
    found: dict[str, list[Group]] = {}
    for group in graph.prunable:
        if by == "part" or group.size > 1:
            found.setdefault(group.name if by == "group" else group.part, []).append(group)
    return found


def _rows(head: dict, tasks: TaskMeasures, measured: Mapping, dense: Mapping) -> list[dict]:
    found = []
    for task, before in dense.items():
        for name in dict.fromkeys((tasks.primary_of(task, dense), *(["loss"] if "loss" in before else []))):
            value = measured.get(task, {}).get(name, float("nan"))
            quality = tasks.quality(task, name, value, before[name])
            found.append(
                {**head, "task": task, "measure": name, "value": value, "dense": before[name], "quality": quality}
            )
    return found


def _known(
    path: str | Path | None, targets: Mapping, ratios: Sequence[float], stages: int, dense: Measured
) -> list[dict]:
    """The rows of targets that a file has whole."""
    if path is None or not Path(path).exists():
        return []
    rows = read_table(path, COLUMNS, "table of sensitivities", _NUMBERS)
    before: Measured = {}
    for row in rows:
        before.setdefault(row["task"], {})[row["measure"]] = row["dense"]
    now = {task: {name: dense.get(task, {}).get(name, np.nan) for name in values} for task, values in before.items()}
    if not same_measures(before, now):
        raise ValueError(
            f"{path} began with another dense model, which measured {before}; this one measures {now}: delete it, or "
            "give another path"
        )
    wanted = {(float(f"{ratio:.7g}"), stage) for ratio in ratios for stage in ("pruned", "finetuned")[:stages]}
    whole = {
        name for name in targets if {(row["ratio"], row["stage"]) for row in rows if row["target"] == name} == wanted
    }
    return [row for row in rows if row["target"] in whole]


def _key(row: Mapping) -> tuple:
    return row["target"], row["ratio"], row["saved"], row["stage"]
