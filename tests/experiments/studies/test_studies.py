"""Studies of tasks: what they keep, and one of each from end to end on the digits, made small."""

import json
import types

import keras
import numpy as np
import pandas as pd
import pytest

import experiments
import pruning
from experiments.studies.budget_study import _searches
from experiments.studies.phases_study import ARMS, arm
from experiments.studies.study_rows import as_markdown, mean_and_spread, unit

SMALL = "--training.steps 60 --training.warmup-steps 5 --finetune.steps 6 --seeds 0".split()


def test_a_unit_is_done_once(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return [{"a": np.float32(0.5), "b": float("nan")}]

    assert unit(tmp_path, "one", make) == unit(tmp_path, "one", make) == [{"a": 0.5, "b": None}]
    assert len(calls) == 1
    (tmp_path / "units" / "one.json").write_text("{")
    with pytest.raises(experiments.UserError, match=r"one\.json cannot be read"):
        unit(tmp_path, "one", make)


def test_means_and_spreads_are_over_seeds():
    table = pd.DataFrame({"arm": ["b", "b", "a"], "seed": [0, 1, 0], "x": [1.0, 2.0, 5.0]})
    found = mean_and_spread(table, ["arm"], ["x"])
    assert found.values.tolist() == [["b", "1.50 ± 0.71"], ["a", "5.00"]]
    assert as_markdown(found).splitlines() == ["| arm | x |", "| --- | --- |", "| b | 1.50 ± 0.71 |", "| a | 5.00 |"]


def test_arms_have_the_updates_that_they_say():
    names = [types.SimpleNamespace(name=name) for name in ("one", "two", "three")]
    problem = types.SimpleNamespace(
        recipe=types.SimpleNamespace(training=types.SimpleNamespace(steps=900)),
        declaration=lambda: types.SimpleNamespace(tasks=names),
    )
    steps = {name: arm(name, problem, None, turns=30)[0] for name in ARMS}
    assert steps.pop("joint, equal updates") == 300 and set(steps.values()) == {900}
    [alternated] = arm("alternated", problem, None, turns=30)[1]
    assert alternated.phases.updates(900) == {"one": 300, "two": 300, "three": 300}
    [sequence] = arm("in sequence", problem, None, turns=30)[1]
    assert sequence.phases.updates(900) == {"one": 450, "two": 450, "three": 450}
    [by_need] = arm("by need", problem, None, turns=30)[1]
    assert isinstance(by_need, pruning.AdaptiveLosses)


def test_a_search_is_as_good_as_its_worst_task():
    rows = [
        {"seed": 0, "tasks": "all", "allowed": 5.0, "trials": 4, "saved": 0.3, "task": task, "binding": "slant"}
        | {"drop_tune": tune, "drop_test": test, "binding_test": "digit"}
        for task, tune, test in (("digit", 2.0, 6.0), ("slant", 4.0, 3.0))
    ]
    none = {"seed": 1, "tasks": "all", "allowed": 5.0, "trials": 4, "saved": 0.0, "task": "digit"}
    first, second = _searches([*rows, none])
    assert first["drop_tune"] == 4.0 and first["drop_test"] == 6.0 and first["held_test"] is False
    assert second == {"seed": 1, "tasks": "all", "allowed": 5.0, "trials": 4, "saved": 0.0}


def test_an_unknown_question_is_named():
    from experiments.commands.study_command import main

    with pytest.raises(experiments.UserError, match="'phase' is no question; there are phases, budgets"):
        main(["phase", "digits"])


def test_a_problem_is_compiled_with_weights_that_can_change():
    problem = experiments.open_problem("digits_tasks")
    model = problem.model(0)
    problem.compile(model, keras.optimizers.SGD(0.1))
    weights = {task: float(weight) for task, weight in problem.loss_variables.items()}
    assert weights == pytest.approx({"digit": 1.0, "parity": 1.0, "slant": 0.02})


@pytest.mark.slow
@pytest.mark.parametrize(
    "question, rows", [("phases", 5 * 4), ("budgets", 2 * 4), ("ratios", 1 + 3 * 2), ("agreement", 3 * 3)]
)
def test_a_question_from_end_to_end(question, rows, tmp_path, capsys, monkeypatch):
    from experiments.commands.study_command import main
    from experiments.runs import tensorflow_setup

    monkeypatch.setattr(tensorflow_setup, "prepare", lambda threads: None)  # TensorFlow has begun already

    flags = [*SMALL, "--grid.ratio", "0.5", "--allowed", "5", "30", "--results", str(tmp_path)]
    assert main([question, "digits_tasks", *flags]) == 0
    printed = capsys.readouterr().out.split()
    assert all(tmp_path.joinpath(path).is_file() for path in printed) and any(path.endswith(".png") for path in printed)
    folder = tmp_path / f"digits_{question}"
    table = pd.read_csv(folder / f"{question}.csv")
    assert len(table) == rows
    before = {path: path.stat().st_mtime_ns for path in (folder / "units").iterdir()}
    assert main([question, "digits_tasks", *flags]) == 0  # nothing is done anew
    assert {path: path.stat().st_mtime_ns for path in before} == before
    if question == "budgets":
        trials = pd.read_csv(folder / "budget_trials.csv")
        assert len(trials) == 4 * rows and set(trials["held"]) <= {True, False}
        assert json.loads((folder / "searches" / "budget_5_all_s0" / "search.json").read_text())["trials"]
    with pytest.raises(experiments.UserError, match="another recipe"):
        main([question, "digits_tasks", *flags, "--training.steps", "61"])
