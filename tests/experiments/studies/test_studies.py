"""Studies of tasks: what they keep, and one of each from end to end on the digits, made small."""

import json
import types
import typing

import keras
import numpy as np
import pandas as pd
import pytest

import experiments
import pruning
from experiments.runs.grid import grid
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.seed_model import SeedModel
from experiments.runs.training.state import State
from experiments.sample_answers import Answers, Tally
from experiments.settings.phases_settings import ArmName
from experiments.settings.recipe import PruningSettings
from experiments.settings.recipe_files import read_recipe
from experiments.studies.budget_study import Asked, _Judged, _searches
from experiments.studies.phases_study import arm, turns_of, updates
from experiments.studies.studies import ask
from experiments.studies.study_model import StudyModel
from experiments.studies.study_rows import as_markdown, claimed, finished, mean_and_spread, unit

ARMS = typing.get_args(ArmName)
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


def taking_turns(*names, shared=(), order=(), arms=ARMS):
    """A problem of tasks that says no more of itself than arms need."""
    tasks = [types.SimpleNamespace(name=name, shared=name in shared) for name in names]
    phases = types.SimpleNamespace(order=order, arms=arms)
    return types.SimpleNamespace(
        recipe=types.SimpleNamespace(training=types.SimpleNamespace(steps=900), phases=phases),
        declaration=lambda: types.SimpleNamespace(tasks=tasks),
    )


@pytest.mark.parametrize("shared", [(), ("body",)])
def test_arms_have_the_updates_that_they_say(shared):
    """A shared task is not counted among those that take turns."""
    problem = taking_turns("one", *shared, "two", "three", shared=shared)
    steps = {name: arm(name, problem, None, turns=30)[0] for name in ARMS}
    assert steps.pop("joint, equal updates") == 300 and set(steps.values()) == {900}
    always = dict.fromkeys(shared, 900)
    [alternated] = arm("alternated", problem, None, turns=30)[1]
    assert alternated.phases.updates(900) == {"one": 300, "two": 300, "three": 300} | always
    [sequence] = arm("in sequence", problem, None, turns=30)[1]
    assert sequence.phases.updates(900) == {"one": 450, "two": 450, "three": 450} | always
    [by_need] = arm("by need", problem, None, turns=30)[1]
    assert isinstance(by_need, pruning.AdaptiveLosses)


def test_tasks_take_turns_in_the_recipes_order_and_the_shared_one_never_rests():
    """The tasks of Mask R-CNN, as they are declared."""
    problem = experiments.open_problem("original_experiment")
    assert turns_of(problem) == (("class", "bbox", "mask"), ("proposal",))
    assert {name: updates(name, problem) for name in problem.recipe.phases.arms} == {
        "joint": 4500, "joint, equal updates": 1500, "alternated": 4500, "in sequence": 4500,
    }  # fmt: skip
    [alternated] = arm("alternated", problem, None, turns=30)[1]
    [sequence] = arm("in sequence", problem, None, turns=30)[1]
    for phases in (alternated.phases, sequence.phases):
        assert all(phases(step)["proposal"] == 1 for step in range(0, 4500, 25))
    turns = [alternated.phases(step) for step in (0, 50, 100, 150)]
    on = [[task for task in ("class", "bbox", "mask") if turn[task]] for turn in turns]
    assert on == [["class"], ["bbox"], ["mask"], ["class"]]
    assert [sequence.phases(step)["mask"] for step in (0, 1125, 2250, 3375)] == [0, 0, 1, 1]


def test_an_order_of_other_tasks_is_refused():
    wrong = taking_turns("one", "two", "body", shared=("body",), order=("two", "body"))
    with pytest.raises(experiments.UserError, match="phases.order is two, body; expected each of these once: one, two"):
        arm("joint", wrong, None, turns=3)
    with pytest.raises(experiments.UserError, match="expected each once"):
        read_recipe("digits_tasks", [{"phases": {"arms": ["joint", "joint"]}}])
    with pytest.raises(experiments.UserError, match="there are none; expected some of joint"):
        read_recipe("digits_tasks", [{"phases": {"arms": []}}])
    with pytest.raises(experiments.UserError, match="expected hundredths"):
        read_recipe("original_experiment", [{"evaluation": {"confidences": ["0.7", "0.705"]}}])


def test_two_processes_do_not_do_the_same_unit(tmp_path):
    with claimed(tmp_path, "one") as mine, claimed(tmp_path, "one") as again, claimed(tmp_path, "two") as other:
        assert (mine, again, other) == (True, False, True)
    with claimed(tmp_path, "one") as mine:
        assert mine
    unit(tmp_path, "two", lambda: [{"a": 2}])
    assert finished(tmp_path, ("one", "two")) == [{"a": 2}]


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


def test_a_search_is_held_surely_where_the_bounds_of_all_tasks_are():
    head = {"seed": 0, "tasks": "all", "allowed": 5.0, "unit": "points", "trials": 4, "saved": 0.3}
    rows = [
        {**head, "task": task, "binding": "slant", "drop_tune": 1.0, "drop_test": 2.0, "bound_test": bound}
        | {"binding_test": "digit"}
        for task, bound in (("digit", 4.0), ("slant", 5.5))
    ]
    assert _searches(rows)[0]["held_test"] is True and _searches(rows)[0]["held_surely"] is False
    assert _searches(rows[:1])[0]["held_surely"] is True
    unknown = [row | {"bound_test": None} for row in rows]  # samples that cannot be drawn again
    assert "held_surely" not in _searches(unknown)[0]


def test_what_budgets_are_asked_is_checked_and_named():
    digits = experiments.open_problem("digits_tasks")
    assert Asked().searches(digits)["all"] == ("digit", "parity", "slant") and len(Asked().searches(digits)) == 4
    assert Asked(counting=("slant",)).searches(digits) == {"slant": ("slant",)}
    budget = Asked(unit="points", measures=("parity_accuracy",)).budget(digits, ("parity", "slant"), 2.0)
    assert budget.measure == {"parity": "accuracy", "slant": "rmse"} and budget.allowed == {"parity": 2.0, "slant": 2.0}
    assert budget.lower_is_better == ("slant_rmse",) and budget.unit == "points"
    with pytest.raises(experiments.UserError, match="counting: 'masks' is no task; expected all, digit"):
        Asked(counting=("masks",)).searches(digits)
    with pytest.raises(experiments.UserError, match="'mask_ap' is no measure of a task; there are digit_accuracy"):
        Asked(measures=("mask_ap",)).budget(digits, ("slant",), 2.0)
    with pytest.raises(experiments.UserError, match="'slant_rmse' is a second one of slant"):
        Asked(measures=("slant_rmse", "slant_rmse")).budget(digits, ("slant",), 2.0)


@pytest.mark.parametrize("criterion, arbiter", [("taylor", "union"), ("fisher", "mean_rank"), ("fpgm", "sum")])
def test_a_study_scores_as_a_sweep_does(criterion, arbiter):
    recipe = read_recipe("digits_tasks", [{"grid": {"criterion": criterion, "arbiter": arbiter}}])
    problem = experiments.open_problem(recipe)
    study = StudyModel(problem, 3, Meter())
    [run] = [run.settings for run in grid(recipe) if run.settings.seed == 0 and run.settings.ratio == 0.5]
    sweep = SeedModel(problem, 3, Meter(), Stopwatch())  # the same new weights
    asked, expected = study.scores(), sweep.score(run)
    for group in study.graph.prunable:
        np.testing.assert_allclose(asked[group.name], expected[group.name], rtol=1e-4, err_msg=group.name)
    assert set(study.scores_by_task()) == {"digit", "parity", "slant"}


def test_a_bound_is_on_the_far_side_of_the_drop_and_zero_for_the_same_answers():
    digits = experiments.open_problem("digits_tasks")
    budget = Asked(unit="points").budget(digits, ("digit", "slant"), 2.0)
    draw = np.random.default_rng(0)
    right = (draw.random((200, 1)) < 0.9).astype(float)
    errors = draw.random((200, 1))

    def answers(kept, times):
        ones = np.ones((200, 1))
        return Answers({"digit": Tally(right * kept, ones), "slant": Tally(times * errors, ones, root=True)})

    before = answers(1.0, 1.0)
    control = {task: {budget.measure[task]: before.tallies[task].value} for task in budget.tasks}
    made = types.SimpleNamespace(problem=digits, tests=problem_tests(digits))
    of_seed = _Judged(made)
    of_seed.__dict__["control"] = (None, control, before)
    assert of_seed.bounds(budget, before) == pytest.approx({"digit": 0.0, "slant": 0.0}, abs=1e-9)
    now = answers((draw.random((200, 1)) < 0.95).astype(float), 1.21)
    drops = {"digit": 100 * (before.tallies["digit"].value - now.tallies["digit"].value),
             "slant": 100 * (now.tallies["slant"].value - before.tallies["slant"].value)}  # fmt: skip
    bounds = of_seed.bounds(budget, now)
    assert all(0 < drops[task] < bounds[task] < 2 * drops[task] for task in budget.tasks), (drops, bounds)
    assert all(np.isnan(value) for value in of_seed.bounds(budget, None).values())


def problem_tests(problem):
    return pruning.TaskMeasures(lambda model: {}, lower_is_better=["slant_rmse"], floors=problem.floors("test"))


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


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_frozen_batch_norms_are_mended_by_what_they_read_before_the_cut(share):
    """Nothing cut: nothing changes. The masks still hold afterwards."""
    inputs = keras.Input((6,), name="x")
    norm = keras.layers.BatchNormalization(name="norm")
    model = keras.Model(inputs, keras.layers.Dense(2)(norm(keras.layers.Dense(8, name="a")(
        keras.layers.Dense(8, activation="relu", name="first")(inputs)))))  # fmt: skip
    norm.trainable = False
    model.compile(pruning.masked(keras.optimizers.SGD(0.1)), loss="mse")
    model.optimizer.build(model.trainable_variables)
    batches = [np.random.default_rng(0).normal(2.0, 1.0, (64, 6)).astype(np.float32)]
    one = object.__new__(StudyModel)  # without a recipe's problem
    wanted = PruningSettings(recalibration_pictures=64)
    one.recipe = types.SimpleNamespace(pruning=wanted)
    one.problem, one.shapes = types.SimpleNamespace(calibration=lambda *_: batches), {"x": (1, 6)}
    one.model, one.seed, one.graph, one._rested = model, 0, pruning.ChannelGraph(model), State(model)
    before = [np.array(norm.moving_mean), np.array(norm.moving_variance)]
    plan = one.plan(pruning.L1()(one.graph), share, measure="filters")
    pruning.hold(model, plan, one.graph)
    kernel = np.array(model.get_layer("first").kernel)
    one.recalibrate()
    after = [np.array(norm.moving_mean), np.array(norm.moving_variance)]
    assert all(np.allclose(old, new, rtol=1e-3) for old, new in zip(before, after, strict=True)) == (share == 0)
    assert np.array_equal(kernel, np.array(model.get_layer("first").kernel))


@pytest.mark.slow
@pytest.mark.parametrize(
    "question, rows", [("phases", 5 * 4), ("budgets", 2 * 2), ("ratios", 1 + 3 * 2), ("agreement", 3 * 3), ("track", 1)]
)
def test_a_question_from_end_to_end(question, rows, tmp_path, capsys, monkeypatch):
    from experiments.commands.study_command import main
    from experiments.runs import tensorflow_setup

    monkeypatch.setattr(tensorflow_setup, "prepare", lambda threads: None)  # TensorFlow has begun already

    flags = [*SMALL, "--grid.ratio", "0.5", "--results", str(tmp_path), "--pruning.gradual-frequency", "1"]
    flags += ["--allowed", "5", "30", "--counting", "all", "slant", "--grid.criterion", "taylor"]
    assert main([question, "digits_tasks", *flags]) == 0
    printed = capsys.readouterr().out.split()
    assert all(tmp_path.joinpath(path).is_file() for path in printed) and any(path.endswith(".png") for path in printed)
    folder = tmp_path / f"digits_{question}"
    table = pd.read_csv(folder / f"{question}.csv")
    assert len(table) == rows
    before = {path: path.stat().st_mtime_ns for path in (folder / "units").iterdir()}
    assert main([question, "digits_tasks", *flags]) == 0  # nothing is done anew
    assert {path: path.stat().st_mtime_ns for path in before} == before
    if question == "track":
        assert table["cuts"].tolist() == [3] and table["achieved_macs"][0] > 0.3
        assert "slant" in (folder / "tracker_s0.svg").read_text()
    if question == "budgets":
        tasks = pd.read_csv(folder / "budget_tasks.csv")
        assert tasks["task"].tolist() == ["digit", "parity", "slant", "slant"] * 2
        found = tasks[tasks["drop_test"].notna()]
        assert (found["bound_test"] >= found["drop_test"]).all()
        trials = pd.read_csv(folder / "budget_trials.csv")
        assert len(trials) == 4 * rows and set(trials["held"]) <= {True, False}
        assert json.loads((folder / "searches" / "budget_5_all_s0" / "search.json").read_text())["trials"]
    with pytest.raises(experiments.UserError, match="another recipe"):
        main([question, "digits_tasks", *flags, "--training.steps", "61"])


@pytest.mark.slow
def test_phases_of_a_mask_rcnn_from_end_to_end(tiny, tmp_path):
    """Two parts, one ratio of two fine-tuned, batch norms mended, two confidences from one pass."""
    recipe = tiny(
        tmp_path, data={"size": 64, "train_count": 16, "test_count": 4, "tune_count": 4},
        phases={"arms": ["alternated"], "order": ["class", "bbox", "mask"], "finetuned": [0.5]},
        grid={"criterion": ["l1"], "budget": ["filters"], "ratio": [0.3, 0.5], "part": ["all", "features"]},
        evaluation={"confidences": [0.7]},
    )  # fmt: skip
    problem = experiments.open_problem(recipe)
    paths = ask("phases", problem, Asked(), turns=1)
    assert all(path.is_file() for path in paths)
    table = pd.read_csv(paths[0])
    assert table["stage"].value_counts().to_dict() == {
        "dense": 1, "dense_control": 1, "dense_recalibrated": 1, "finetuned": 1, "pruned": 4, "recalibrated": 2,
    }  # fmt: skip
    body = table[table["part"] == "features"]
    assert set(body["stage"]) == {"pruned"} and len(body) == 2
    every = table[(table["part"] == "all") & (table["stage"] == "pruned")]
    assert every["achieved"].values == pytest.approx(every["asked"].values, abs=0.05)
    assert (body["achieved_macs"].values < every["achieved_macs"].values).all()
    assert table["mask_ap50_at70"].notna().all() and (table["mask_ap50_at70"] <= table["mask_ap50"] + 1e-9).all()
    assert {"mask_ap50_at70", "bbox_ap_at70"} <= set(problem.declaration().measures)
    page = (tmp_path / "tiny_phases" / "phases.md").read_text()
    assert "| alternated | 50% | recalibrated |" in page
