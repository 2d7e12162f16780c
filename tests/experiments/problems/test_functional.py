"""A Functional model with a dictionary of losses as a problem, and one that a user wrote in a file of their own."""

import itertools
import re

import keras
import numpy as np
import pandas as pd
import pytest

import experiments
from experiments.errors import UserError
from experiments.lookup import open_problem, problem_class
from experiments.problems.functional import array_batches, load, task_losses, uncompiled
from experiments.runs.executors.carried_files import Carrier, unpack
from experiments.runs.measuring import flat
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.runner import Runner
from experiments.runs.sweep import run, sweep
from experiments.settings.recipe_files import read_recipe
from pruning.tasks.model_outputs import compiled_losses


def two_heads(outputs=("a", "b"), as_list=False):
    x = keras.Input((4,), name="x")
    h = keras.layers.Dense(6, activation="relu", name="h")(x)
    found = {
        outputs[0]: keras.layers.Dense(3, activation="softmax", name=outputs[0])(h),
        outputs[1]: keras.layers.Dense(1, name=outputs[1])(h),
    }
    return keras.Model(x, list(found.values()) if as_list else found)


def batch(count=5):
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 4)).astype("float32")
    return x, {"a": random.integers(0, 3, count), "b": random.normal(size=count).astype("float32")}


@pytest.mark.parametrize("as_list", [False, True])
def test_task_losses_are_those_that_keras_trains_with(as_list):
    keras.utils.set_random_seed(0)
    model, losses = two_heads(as_list=as_list), {"a": "sparse_categorical_crossentropy", "b": keras.losses.Huber()}
    x, y = batch()
    found = {task: float(value) for task, value in task_losses(model, losses)((x, y)).items()}
    model.compile(loss=losses)
    logs = model.evaluate(x, list(y.values()) if as_list else y, verbose=0, return_dict=True)
    assert found == pytest.approx({"a": logs["a_loss"], "b": logs["b_loss"]}, rel=1e-5)


def test_targets_are_not_spread_over_the_batch():
    # (N,) beside (N, 1) broadcasts to (N, N), whose mean is another number.
    model, (x, y) = two_heads(), batch()
    found = float(task_losses(model, {"b": "mse"})((x, y))["b"])
    assert found == pytest.approx(np.mean((np.asarray(model(x)["b"])[:, 0] - y["b"]) ** 2), rel=1e-5)


def test_a_loss_of_no_output_is_named():
    with pytest.raises(UserError, match="losses name the tasks c, but the outputs of .* are a, b"):
        task_losses(two_heads(), {"c": "mse"})


def test_an_uncompiled_copy_shares_its_weights_and_is_saved_without_an_optimizer(tmp_path):
    model = two_heads()
    model.compile("adam", loss={"a": "sparse_categorical_crossentropy", "b": "mse"})
    copy = uncompiled(model)
    assert not copy.compiled and [id(w) for w in copy.weights] == [id(w) for w in model.weights]
    copy.save(tmp_path / "x.keras")
    again = load(tmp_path / "x.keras")
    x = batch()[0]
    assert np.allclose(again(x)["a"], model(x)["a"]) and set(again(x)) == {"a", "b"}


def test_batches_of_arrays_go_on_where_an_unbroken_stream_would():
    x, y = batch(10)
    whole = list(itertools.islice(array_batches(x, y, 3, seed=1), 8))
    late = list(itertools.islice(array_batches(x, y, 3, seed=1, step=5), 3))
    for (a, _), (b, targets) in zip(whole[5:], late, strict=True):
        assert (a == b).all() and set(targets) == {"a", "b"}
    assert not (whole[0][0] == whole[3][0]).all()  # another pass has another order
    assert len(np.unique(np.concatenate([b[0][:, 0] for b in whole[:3]]))) == 9
    with pytest.raises(UserError, match="arrays of 2, 10 samples"):
        next(array_batches(x, y["a"][:2], 3, seed=0))


@pytest.mark.parametrize("listed", [False, True])
def test_the_losses_of_a_compiled_model_are_taken(listed):
    class Compiled(experiments.Problem):
        tasks = (experiments.Task("a", "a", "accuracy"), experiments.Task("b", "b", "mae", higher_is_better=False))

    problem, model = Compiled(), two_heads(as_list=listed)
    losses = {"a": "sparse_categorical_crossentropy", "b": "mse"}
    given = list(losses.values()) if listed else losses
    model.compile("sgd", loss=given, loss_weights=None if listed else {"a": 1.0, "b": 0.1})
    problem.compile(model, keras.optimizers.Adam(1e-3))
    assert set(problem.task_losses(model)(batch())) == {"a", "b"} and isinstance(model.optimizer, keras.optimizers.Adam)
    again = uncompiled(model)
    problem.compile(again, keras.optimizers.SGD())  # a copy without losses gets those of the first
    assert model.loss == again.loss == losses
    _, weights = compiled_losses(again)
    assert weights == pytest.approx({"a": 1.0, "b": 1.0 if listed else 0.1})
    fresh = Compiled()
    with pytest.raises(UserError, match="there is no loss for each task"):
        fresh.task_losses(two_heads())


# A problem in a file of one's own

OWN = """
import keras
import numpy as np

import experiments


class Rings(experiments.Problem):
    tasks = (
        experiments.Task("inside", "inside", "accuracy", floor="always outside"),
        experiments.Task("radius", "radius", "mae", higher_is_better=False, floor="the mean radius"),
    )
    losses = {"inside": "binary_crossentropy", "radius": "mse"}

    def __init__(self, recipe=None):
        super().__init__(recipe)
        points = np.random.default_rng(0).normal(size=(400, 2)).astype("float32")
        radius = np.linalg.norm(points, axis=1)
        self.x, self.y = points, {"inside": (radius < 1).astype("float32"), "radius": radius}

    def model(self, seed):
        x = keras.Input((2,), name="point")
        h = keras.layers.Dense(32, activation="relu", name="h1")(x)
        h = keras.layers.Dense(32, activation="relu", name="h2")(h)
        return keras.Model(x, {
            "inside": keras.layers.Dense(1, activation="sigmoid", name="inside")(h),
            "radius": keras.layers.Dense(1, name="radius")(h),
        })

    def batches(self, split, seed, step=0):
        return experiments.array_batches(
            self.x[:300], {k: v[:300] for k, v in self.y.items()}, self.recipe.training.batch_size, seed, step
        )

    def evaluate(self, model, split):
        found = {k: np.asarray(v)[:, 0] for k, v in model(self.x[300:]).items()}
        return {
            "inside": {"accuracy": np.mean((found["inside"] > 0.5) == self.y["inside"][300:])},
            "radius": {"mae": np.mean(np.abs(found["radius"] - self.y["radius"][300:]))},
        }

    def floors(self, split):
        spread = np.abs(self.y["radius"][300:] - self.y["radius"][:300].mean())
        return {"inside": {"accuracy": np.mean(self.y["inside"][300:] == 0)}, "radius": {"mae": spread.mean()}}
"""
RECIPE = """
name: rings
problem: rings.py:Rings
seeds: [0, 1]
training: {steps: 60, batch_size: 20, optimizer: adamw, learning_rate: 0.01}
grid: {criterion: [l1, taylor], ratio: [0.5], budget: macs}
finetune: {steps: 20}
pruning: {recalibration_pictures: 0}
evaluation: {latency_rounds: 2}
"""


@pytest.fixture(scope="module")
def rings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "rings.py").write_text(OWN)
    (folder / "rings.yaml").write_text(RECIPE + f"results: {folder / 'results'}\n")
    return folder


@pytest.fixture(scope="module")
def few(rings):
    """A recipe of three short runs of it."""
    recipe = RECIPE.replace("name: rings", "name: few").replace("[0, 1]", "[0]").replace("[l1, taylor]", "[l1]")
    (rings / "few.yaml").write_text(recipe.replace("steps: 60", "steps: 6") + f"results: {rings / 'results'}\n")
    return rings / "few.yaml"


@pytest.fixture(scope="module")
def done(few):
    """The folder of the three runs, done."""
    return sweep(open_problem(few)).folder


@pytest.mark.slow
def test_a_problem_of_ones_own_gets_table_verdicts_plots_and_report(rings):
    folder = run(rings / "rings.yaml")
    sweep = experiments.read(folder)
    table = sweep.table
    assert {"inside_accuracy", "radius_mae", "delta_radius_mae"} <= set(table)
    assert not [name for name in table if name.startswith(("bbox", "mask", "class_", "proposal"))]
    assert [task.title for task in sweep.tasks] == ["inside", "radius"]
    ends = table[table["stage"] == "removed"]
    assert len(ends) == 4 and (abs(ends["achieved"] - 0.5) < 0.1).all()
    dense, floor = (table[table["stage"] == stage]["radius_mae"].mean() for stage in ("dense", "floor"))
    assert dense < 0.5 * floor
    assert "2 seeds are too few" in str(sweep.verdict("taylor", "l1"))
    assert {"tradeoff", "tasks", "pareto"} <= set(sweep.kinds)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "RADIUS" in page.upper() and "box" not in sweep.plot("tradeoff").axes[0].get_ylabel()
    assert "documented" not in (folder / "columns.md").read_text()
    # The folder tells another process where the problem lies, and that it is finished.
    assert "problem: ../../rings.py:Rings" in (folder / "recipe.yaml").read_text()
    assert type(open_problem(folder / "recipe.yaml")).__name__ == "Rings"
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*.json")}
    run(folder / "recipe.yaml")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*.json")} == before


def test_a_file_that_has_changed_is_said_and_finished_runs_are_kept(few, done, tmp_path):
    (tmp_path / "rings.py").write_text(OWN + "\n# changed\n")
    recipe = read_recipe(few, [{"problem": [str(tmp_path / "rings.py") + ":Rings"]}])
    lines = Runner(open_problem(recipe), Meter(), folder=done).changed_code()
    assert len(lines) == 1 and "the file of Rings has changed since 3 of these runs were finished" in lines[0]
    assert Runner(open_problem(few), Meter(), folder=done).changed_code() == []


def test_a_part_that_is_none_is_said_before_anything_is_trained(rings, tmp_path):
    for part in ("*h1*", "h3"):
        changes = {"grid": {"part": [part]}, "results": [str(tmp_path)]}
        with pytest.raises(UserError, match=f"part '{re.escape(part)}' cannot be pruned"):
            sweep(open_problem(read_recipe(rings / "rings.yaml", [changes])))
        assert not list(tmp_path.glob("*/runs/*/model.keras"))


def test_the_file_of_a_problem_travels_to_a_machine_that_does_not_see_it(done, tmp_path):
    files = Carrier(done, done / "recipe.yaml").recipe
    assert set(files) == {"rings.py", "recipe.yaml"}
    unpack(files, tmp_path)
    assert type(open_problem(tmp_path / "recipe.yaml")).__name__ == "Rings"


@pytest.mark.parametrize(("spec", "message"), [
    ("rings.py:Ring", "has no Problem of the name 'Ring'; it has Rings"),
    ("ring.py:Rings", "no such file; looked for"),
    ("rings", r"expected maskrcnn, digits, my_file.py:MyProblem"),
    ("no_such_package_here:Rings", "cannot be imported: No module named"),
    ("experiments.problem:Problem", "defines no model, batches, evaluate, floors, tasks"),
])  # fmt: skip
def test_a_problem_that_is_none_is_said(rings, spec, message):
    with pytest.raises(UserError, match=message):
        problem_class(spec, rings)


def test_a_file_that_fails_is_said(tmp_path):
    (tmp_path / "broken_problem.py").write_text("1 / 0")
    with pytest.raises(UserError, match="cannot be imported: ZeroDivisionError"):
        problem_class("broken_problem.py:X", tmp_path)


def test_answers_that_are_none_are_said(rings):
    problem = open_problem(rings / "rings.yaml")
    good = {"inside": {"accuracy": 0.5}, "radius": {"mae": 1}}
    assert flat(problem, good, "evaluate") == {"inside_accuracy": 0.5, "radius_mae": 1.0}
    for answer, message in (
        (0.5, "Rings.evaluate gave float; expected"),
        ({**good, "size": {}}, "measures the task 'size', which `tasks` does not declare"),
        ({"inside": {"accuracy": 0.5}}, "gave no 'mae' of the task 'radius', its primary measure; it gave nothing"),
        ({**good, "radius": {"mae": "low"}}, "radius: mae is 'low'; expected a number"),
    ):
        with pytest.raises(UserError, match=message):
            flat(problem, answer, "evaluate")
    assert flat(problem, {"inside": {}}, "floors") == {}


def test_the_table_is_read_without_tensorflow(done):
    import subprocess
    import sys

    code = (
        "import sys, experiments; sweep = experiments.read(sys.argv[1]); sweep.plot('tradeoff'); "
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(done)], check=True, timeout=120)
    assert isinstance(pd.read_csv(done / "runs.csv"), pd.DataFrame)
