"""Models as an axis of a grid, with a problem of one's own: from the recipe to table, plots, verdicts and pictures."""

import pandas as pd
import pytest
import yaml

import experiments
from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.runs import dry_run
from experiments.runs.compared_models import ComparedModels, LeftOut
from experiments.runs.grid import dense_runs, grid
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.runner import Runner
from experiments.runs.sweep import run
from experiments.settings.places import find_model
from experiments.settings.recipe_files import read_recipe
from experiments.table.selection import every_curve
from experiments.table.table_files import make_table
from experiments.table.task_curves import normalised, remaining

pytestmark = pytest.mark.slow

OWN = """
import keras
import numpy as np

import experiments
from experiments.settings.recipe import Settings


class Network(Settings):
    width: int = 32
    depth: int = 1


class Rings(experiments.Problem):
    tasks = (
        experiments.Task("inside", "inside", "accuracy", floor="always outside"),
        experiments.Task("radius", "radius", "mae", higher_is_better=False, floor="the mean radius"),
    )
    losses = {"inside": "binary_crossentropy", "radius": "mse"}
    sections = {"model": Network}

    def __init__(self, recipe=None):
        super().__init__(recipe)
        points = np.random.default_rng(0).normal(size=(400, 2)).astype("float32")
        radius = np.linalg.norm(points, axis=1)
        self.x, self.y = points, {"inside": (radius < 1).astype("float32"), "radius": radius}

    def model(self, seed):
        x = h = keras.Input((2,), name="point")
        for number in range(self.recipe.model.depth):
            h = keras.layers.Dense(self.recipe.model.width, activation="relu", name=f"h{number + 1}")(h)
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

    def show(self, models, count, photographs):
        return [[(name, np.zeros((8, 8, 3), "uint8")) for name in ("truth", *models)]] * count
"""
RECIPE = {
    "name": "sizes",
    "problem": "rings.py:Rings",
    "training": {"steps": 120, "batch_size": 20, "optimizer": "adamw", "learning_rate": 0.01},
    "grid": {
        "model": {"deep": {"depth": 2}, "wide": {"width": 48}, "small": {"width": 16}, "tiny": {"width": 12}},
        "criterion": "l1",
        "macs": ["small", 40],
    },
    "finetune": {"steps": 5, "warmup_steps": 1},
    "pruning": {"recalibration_pictures": 0},
    "evaluation": {"latency_rounds": 2},
}
MACS = {"deep": 32 * (2 + 32 + 2), "wide": 48 * 4, "small": 16 * 4, "tiny": 12 * 4}
NAMES = list(MACS)


def written(folder, **changes):
    content = RECIPE | {"results": str(folder / "results")}
    for key, value in changes.items():
        content[key] = content.get(key, {}) | value if isinstance(value, dict) else value
    (folder / "rings.py").write_text(OWN)
    (folder / "sizes.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder / "sizes.yaml"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return run(written(folder))


@pytest.fixture(scope="module")
def sweep(swept):
    return experiments.read(swept)


def test_each_model_has_a_dense_run_a_control_and_pruned_runs(tmp_path):
    recipe = read_recipe(written(tmp_path))
    runs = grid(recipe)
    by_name = {run.name: run for run in runs}
    assert len(by_name) == len(runs) == 4 * 2 + 2 * 4 - 1  # `small` is not brought down to itself
    for one in runs:
        if one.settings.kind == "pruned":
            assert by_name[one.dense].settings.variant == by_name[one.control].settings.variant == one.settings.variant
            assert one.settings.budget == "macs" and one.settings.ratio is None
    assert [one.settings.variant for one in dense_runs(recipe)] == NAMES
    assert {one.network for one in runs} == {f"{name}-s0" for name in NAMES}
    assert [name.rsplit("-", 1)[0] for name in by_name][:4] == [
        "dense-deep-s0", "dense_control-deep-s0", "l1-to-small-deep-s0", "l1-to-40MACs-deep-s0",
    ]  # fmt: skip


def test_a_model_is_named_by_its_settings_as_one_alone_is(tmp_path):
    path = written(tmp_path)
    alone = yaml.safe_load(path.read_text()) | {"grid": {"criterion": "l1"}, "model": {"depth": 2}}
    (tmp_path / "alone.yaml").write_text(yaml.safe_dump(alone))
    (one,) = dense_runs(read_recipe(tmp_path / "alone.yaml"))
    assert dense_runs(read_recipe(path))[0].name == one.name.replace("dense-", "dense-deep-")


def test_the_written_recipe_has_the_models_in_their_order(swept, tmp_path):
    again, first = read_recipe(swept / "recipe.yaml"), read_recipe(swept.parents[1] / "sizes.yaml")
    assert again.grid == first.grid and list(again.models) == NAMES
    assert {name: (one.model.width, one.model.depth) for name, one in again.models.items()} == {
        "deep": (32, 2), "wide": (48, 1), "small": (16, 1), "tiny": (12, 1),
    }  # fmt: skip


def test_pruned_models_have_the_macs_that_were_asked_for(sweep):
    table = sweep.table
    dense = table[table["stage"] == "dense"].set_index("model")
    assert dense["macs"].to_dict() == MACS
    ends = table[table["stage"] == "removed"]
    assert sorted(zip(ends["model"], ends["macs_asked"], strict=True)) == [
        ("deep", 40), ("deep", 64), ("small", 40), ("tiny", 40), ("wide", 40), ("wide", 64),
    ]  # fmt: skip
    assert (abs(ends["macs"] - ends["macs_asked"]) / ends["macs_asked"]).max() < 0.15
    assert (ends["asked"] == 1 - ends["macs_asked"] / ends["model"].map(MACS)).all()
    controls = table[table["stage"] == "dense_control"].set_index("model")
    assert controls["macs_asked"].dropna().to_dict() == {"small": 64}
    for _, row in ends.iterrows():
        assert f"-{row['model']}-" in row["run"] and f"-{row['model']}-" in row["reference"]


def test_a_model_that_is_smaller_already_is_left_out_and_said(sweep, swept):
    (left,) = swept.glob("runs/*/left_out.json")
    assert left.parent.name.startswith("l1-to-small-tiny-s0-")
    reason = "its 48 MACs are no more than the 64 MACs that are to be left"
    assert reason in left.read_text() and reason in (swept / "report.html").read_text(encoding="utf-8")
    models = ComparedModels(open_problem(swept / "recipe.yaml"))
    pruned = next(one for one in grid(models.problems["tiny"].recipe) if one.name == left.parent.name)
    with pytest.raises(LeftOut):
        models.ratio(pruned.settings, 64)
    assert models.ratio(pruned.settings, 128) == 0.5


def test_it_is_done_once(swept):
    problem = open_problem(swept / "recipe.yaml")
    assert Runner(problem, Meter()).unfinished() == []
    text = dry_run.report(problem)
    assert "15 runs, 15 of them finished" in text and "to do: 0 runs" in text


def test_models_are_timed_against_the_first(sweep):
    table = sweep.table
    dense = table[table["stage"] == "dense"].set_index("model")
    assert dense.loc["deep", "latency_first_ratio"] == 1
    assert (dense["latency_ms"] > 0).all() and (dense["step_seconds"] > 0).all()
    ends = table[table["stage"] == "removed"]
    assert ends["latency_first_ratio"].to_numpy() == pytest.approx(
        ends["latency_ratio"].to_numpy() * dense.loc[ends["model"], "latency_first_ratio"].to_numpy()
    )


def test_rows_of_a_model_stand_together_and_columns_are_documented(sweep, swept):
    pd.testing.assert_frame_equal(make_table(swept), make_table(swept))
    pruned = sweep.table[sweep.table["criterion"].notna()]
    assert list(dict.fromkeys(pruned["model"])) == sorted(pruned["model"].unique())
    assert "not documented" not in (swept / "columns.md").read_text()


def test_models_are_on_one_scale(sweep):
    table = sweep.table
    share = remaining(table, "macs")
    dense = table["stage"] == "dense"
    assert share[dense].max() == 1 and share[dense & (table["model"] == "small")].item() == 64 / MACS["deep"]
    quality = normalised(table, sweep.problem)
    assert quality[dense].max().tolist() == [1, 1]  # the best of each task, whichever model it is
    assert quality[table["stage"] == "floor"].abs().max(axis=None) == 0


def test_models_are_compared_at_equal_macs_and_one_seed_claims_nothing(sweep):
    names = [one.name for one in every_curve(sweep)]
    assert names == ["deep", "wide", "small", "tiny", "small, dense"]
    found = sweep.verdict("deep", "wide")
    assert "mean over 40 MACs, 64 MACs" in found.text and "1: best dense model" in found.text
    assert "1 seed: deep minus wide is" in found.text and "no claim" in found.text
    beside_dense = sweep.verdict("model=deep", "model=small,stage=dense_control")
    assert beside_dense.comparison.ratios == (64.0,)
    with pytest.raises(UserError, match="stands for runs that differ .*model: "):
        sweep.verdict("l1", "deep")


def test_every_plot_copes(sweep):
    assert {
        "tradeoff", "models", "tasks", "pareto", "prediction", "weights", "widths_deep", "schedule_1",
    } <= set(sweep.kinds)  # fmt: skip
    figure = sweep.plot("models")
    places = {line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "*"}
    assert places == set(MACS.values())
    assert sweep.plot("widths_small", macs=40).axes[0].get_title("left") == "small"
    titles = [axis.get_title("left") for axis in sweep.plot("pictures_dense").axes]
    assert titles[:5] == ["truth", "deep\n1.15 kMACs", "wide\n192 MACs", "small\n64 MACs", "tiny\n48 MACs"]
    titles = [axis.get_title("left").partition("\n")[0] for axis in sweep.plot("pictures", macs=64).axes]
    assert titles[:4] == ["truth", "deep, pruned", "wide, pruned", "small, dense"]


def test_other_settings_of_a_model_want_another_folder(swept, tmp_path):
    near = swept.parents[1]
    for changes, message in (
        ({"grid": {"model": {"deep": {"depth": 2, "width": 8}}, "macs": [40]}}, "model.width: default -> 8"),
        ({"grid": {"model": {}, "macs": [40]}}, "holds runs that compare models, and this recipe has one"),
    ):
        content = yaml.safe_load((near / "sizes.yaml").read_text())
        content["grid"] = changes["grid"]
        (near / "other.yaml").write_text(yaml.safe_dump(content))
        with pytest.raises(UserError, match=message):
            run(near / "other.yaml")


def test_a_folder_of_several_dense_models_has_none_to_take(swept):
    message = "holds dense models of deep, small, tiny, wide: name the run, such as .*dense-"
    with pytest.raises(UserError, match=message):
        find_model(swept)
    assert find_model(f"{swept}/runs/dense-wide-*").parent.name.startswith("dense-wide-s0-")


@pytest.mark.parametrize(("wanted", "message"), [
    ({"model": {"a": {"widht": 3}}}, r"grid\.model\.a: unknown key 'widht': did you mean 'width'"),
    ({"model": {"a": {"width": "broad"}}}, r"grid\.model\.a: width = 'broad': Input should be a valid integer"),
    ({"model": {"l1": {}}}, "the name 'l1' cannot be: expected a letter.*no name of a criterion"),
    ({"model": {"a/b": {}}}, "the name 'a/b' cannot be"),
    ({"model": {"a": {}}, "macs": ["b"]}, r"macs\.0 = 'b': expected a number of MACs, or a model .* names: a"),
    ({"macs": ["b"]}, "it names none"),
    ({"macs": [-3]}, r"grid\.macs\.0"),
])  # fmt: skip
def test_what_cannot_be_is_named(tmp_path, wanted, message):
    path = written(tmp_path)
    content = yaml.safe_load(path.read_text()) | {"grid": wanted}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=message):
        read_recipe(path)


def test_a_problem_without_a_section_of_that_name_is_named(tmp_path):
    (tmp_path / "digits.yaml").write_text("base: digits\ngrid: {model: {a: {}}}\n")
    with pytest.raises(UserError, match=r"grid\.model: this problem has no section `model`"):
        read_recipe(tmp_path / "digits.yaml")


def test_macs_may_be_written_as_people_do_and_stand_in_place_of_ratios(tmp_path):
    flags = {"grid": {"macs": ["4e1", "small"], "ratio": ["0.5"]}}
    recipe = read_recipe(written(tmp_path), [flags])
    assert recipe.grid.macs == (40.0, "small")
    assert {one.settings.macs for one in grid(recipe) if one.settings.kind == "pruned"} == {40.0, "small"}


def test_a_name_alone_is_the_recipes_own_model(tmp_path):
    path = written(tmp_path)
    content = yaml.safe_load(path.read_text()) | {"grid": {"model": {"usual": None, "wide": {"width": 64}}}}
    path.write_text(yaml.safe_dump(content))
    recipe = read_recipe(path)
    assert [one.model.width for one in recipe.models.values()] == [32, 64]


def test_flags_change_a_model_of_the_file_and_add_others(tmp_path):
    flags = {"grid": {"model": {"small": {"width": ["8"]}, "flat": {"width": ["4"]}}}}
    recipe = read_recipe(written(tmp_path), [flags])
    assert {name: one.model.width for name, one in recipe.models.items()} == {
        "deep": 32, "wide": 48, "small": 8, "tiny": 12, "flat": 4,
    }  # fmt: skip
