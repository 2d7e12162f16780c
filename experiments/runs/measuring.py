"""The figures of a row: each task's measures, and what the network costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

import pruning
from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.run_folder import RunFolder
from experiments.sample_answers import Answers, answers_path, keep_answers, read_answers
from experiments.table.class_table import keep_class_measures
from pruning.costs.model_cost import counted, without


class Measuring:
    """Measures models of one problem.

    Args:
        problem: says how.
        work: where progress is reported, kind "picture".
    """

    def __init__(self, problem: Problem, work: Meter) -> None:
        self._problem, self._work = problem, work
        self._split = problem.recipe.evaluation.split
        self._done = 0
        problem.watch(self._report)

    def quality(self, model: keras.Model) -> dict[str, float]:
        """Every measure of every task, as columns of a row."""
        return self.quality_and_answers(model)[0]

    def quality_and_answers(self, model: keras.Model) -> tuple[dict[str, Any], Answers | None]:
        """Every measure of every task and its worst class, as columns of a row; and the answers themselves."""
        self._done = 0
        measured, answers = self._problem.evaluate_with_answers(model, self._split)
        found: dict[str, Any] = dict(flat(self._problem, measured, "evaluate"))
        self._work.did("picture", max(0, self._problem.examples(self._split) - self._done))
        if answers is not None:
            found |= worst_classes(self._problem, answers)
        return found, answers

    def keep(self, answers: Answers, folder: RunFolder, stage: str, dense: str | None) -> dict[str, float]:
        """Keep a run's answers at a stage, and what is known of classes; how many are not the dense one's, as columns.

        Args:
            answers: of the network.
            folder: of the run.
            stage: that they are of.
            dense: name of the dense run; None where this is the one.
        """
        keep_answers(folder.path, stage, answers)
        before = None if dense is None else read_answers(answers_path(folder.path.parent / dense, "dense"))
        shares = self._problem.churn(before, answers) if before is not None else {}
        columns = {f"churn_{task}_{name}": share for task, of in shares.items() for name, share in of.items()}
        by_class = {name: share for name, share in columns.items() if isinstance(share, Mapping)}
        keep_class_measures(folder.path, stage, measures_by_class(self._problem, answers) | by_class)
        return {name: float(share) for name, share in columns.items() if name not in by_class}

    def floor(self) -> dict[str, float]:
        """Measures of trivial predictors, as columns of a row."""
        return flat(self._problem, self._problem.floors(self._split), "floors")

    def latency(self, model: keras.Model, dense: keras.Model) -> dict[str, Any]:
        """Milliseconds of a sample, and of the dense model's in the same run, as columns of a row."""
        rounds = self._problem.recipe.evaluation.latency_rounds
        if rounds < 2:
            return {}
        inputs, samples, call = self._problem.timing(model)
        found = pruning.latency(model, inputs, dense, call=call, warmup=1, rounds=rounds)
        assert found.against is not None
        share = 1.0 / samples
        return {
            "latency_ms": share * found,
            "latency_dense_ms": share * found.against,
            "latency_ratio": found.speedup,
            "latency_spread": (found.high - found.low) / found,
            "latency_threads": found.threads,
        }

    def latency_beside_first(self, model: keras.Model, first: keras.Model | None) -> dict[str, Any]:
        """Milliseconds of a sample, and how many times as fast as the first of several models, in the same run.

        Args:
            model: to be timed.
            first: the other one; None where the model is the first itself.
        """
        rounds = self._problem.recipe.evaluation.latency_rounds
        if rounds < 2:
            return {}
        inputs, samples, call = self._problem.timing(model)
        found = pruning.latency(model, inputs, first, call=call, warmup=1, rounds=rounds)
        return {
            "latency_ms": found / samples,
            "latency_first_ratio": 1.0 if found.against is None else found.speedup,
            "latency_spread": (found.high - found.low) / found,
            "latency_threads": found.threads,
        }

    def _report(self, count: int, text: str) -> None:
        self._done += count
        self._work.did("picture", count, text)


def measures_by_class(problem: Problem, answers: Answers) -> dict[str, Mapping[str, float]]:
    """Column -> class -> its own figure: primary measures that have classes, and what else the problem tells."""
    found: dict[str, Mapping[str, float]] = {}
    for task in problem.declaration().tasks:
        if task.name in answers.tallies and (by_class := answers.tallies[task.name].by_class()):
            found[task.column] = by_class
    return found | dict(answers.by_class)


def worst_classes(problem: Problem, answers: Answers) -> dict[str, Any]:
    """Of every task with classes the worst one and its figure, by the primary measure or the first that is told."""
    found: dict[str, Any] = {}
    told = measures_by_class(problem, answers)
    for task in problem.declaration().tasks:
        columns = {f"{task.name}_{measure.name}": measure for measure in task.measures}
        column = next((column for column in told if column in columns), None)
        known = {name: value for name, value in told.get(column or "", {}).items() if not math.isnan(value)}
        if column is not None and len(known) > 1:
            worst = min if columns[column].higher_is_better else max
            name = worst(known, key=known.__getitem__)
            found |= {f"{task.name}_worst_class": name, f"{task.name}_worst_{columns[column].name}": known[name]}
    return found


def flat(problem: Problem, measured: Any, method: str) -> dict[str, float]:
    """{task: {measure: value}} as columns, in the order of the tasks.

    Args:
        problem: that it is of.
        measured: what its `method` gave.
        method: "evaluate", whose answer must have every primary measure, or "floors".

    Raises:
        UserError: it is something else; says what was found and expected.
    """
    kind, tasks = type(problem).__name__, problem.declaration().tasks
    if not isinstance(measured, Mapping) or not all(isinstance(values, Mapping) for values in measured.values()):
        raise UserError(f"{kind}.{method} gave {type(measured).__name__}; expected {{task: {{measure: value}}}}")
    unknown = [name for name in measured if name not in {task.name for task in tasks}]
    if unknown:
        raise UserError(f"{kind}.{method} measures the task {unknown[0]!r}, which `tasks` does not declare")
    found: dict[str, float] = {}
    for task in tasks:
        values = measured.get(task.name, {})
        if method == "evaluate" and task.primary not in values:
            raise UserError(
                f"{kind}.evaluate gave no {task.primary!r} of the task {task.name!r}, its primary measure; it gave "
                f"{', '.join(values) or 'nothing'}"
            )
        for name, value in values.items():
            try:
                found[f"{task.name}_{name}"] = math.nan if value is None else float(value)
            except (TypeError, ValueError):
                raise UserError(f"{kind}.{method}: {task.name}: {name} is {value!r}; expected a number") from None
    return found


class Costs:
    """Costs of one network, whatever channels of it are masked; the graph is read once.

    Args:
        problem: says what MACs count.
        model: the network.

    Attributes:
        shapes: of the inputs that MACs are counted for.
        macs: of the whole network.
    """

    def __init__(self, problem: Problem, model: keras.Model) -> None:
        self.shapes = problem.input_shapes(model)
        self._counted = counted(model, self.shapes)
        self._references = {
            column: counted(model, shapes) for column, shapes in problem.reference_shapes(model).items()
        }
        self._columns = problem.cost_columns(model)
        self._dense = without(self._counted, {})
        self.macs = self._dense.macs

    def columns(self, graph: pruning.ChannelGraph, budget: str = "filters") -> dict[str, Any]:
        """The cost columns of the network as it is now, and the fractions that are masked.

        Args:
            graph: of what may be pruned in the run.
            budget: what `achieved` is a fraction of: "filters" of `graph`, "params" or "macs" of the network.
        """
        gone = pruning.silent(self._counted)
        dense, now = self._dense, without(self._counted, gone)
        achieved = {
            "filters": filters_gone(graph),
            "params": 1 - now.params / dense.params,
            "macs": 1 - now.macs / dense.macs,
        }
        return {
            "achieved": achieved[budget],
            "achieved_filters": filters_gone(self._counted, gone),
            "achieved_macs": achieved["macs"],
            "params": dense.params,
            "macs": dense.macs,
            "bytes": dense.bytes,
            "effective_params": now.params,
            "effective_macs": now.macs,
            "effective_bytes": now.bytes,
            **{column: without(reference, gone).macs for column, reference in self._references.items()},
            **self._columns,
        }


def filters_gone(graph: pruning.ChannelGraph, gone: dict[str, np.ndarray] | None = None) -> float:
    """Fraction of the prunable groups' filters that are masked, or that are in `gone`."""
    gone = pruning.silent(graph) if gone is None else gone
    filters = {group.name: group.filters for group in graph.prunable}
    cut = sum(int(filters[name][mask].sum()) for name, mask in gone.items())
    return cut / sum(int(count.sum()) for count in filters.values())
